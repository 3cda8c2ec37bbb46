"""What belongs to the process and not to an engine: crash reports, stacks, the memory test."""

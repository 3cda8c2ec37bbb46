"""What outlives the process: snapshots, the append-only file, JSON dumps."""

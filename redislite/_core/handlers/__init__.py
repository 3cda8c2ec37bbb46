"""Native commands, a file per type, with their rows."""

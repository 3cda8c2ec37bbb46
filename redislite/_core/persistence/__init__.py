"""What outlives the process: snapshots, the append-only file, the child that writes them."""

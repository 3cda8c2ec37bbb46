"""The commands written in Python, a file per group."""

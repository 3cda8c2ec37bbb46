"""Data structures of C, which know nothing of servers."""

"""The engine inside a Python process: databases without a server, and what redis-py's clients speak to them with."""

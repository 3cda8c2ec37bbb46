"""What people and tools are told of the server: the log, INFO, slow commands, latency, crashes."""

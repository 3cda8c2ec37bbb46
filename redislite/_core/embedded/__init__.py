"""Clients of an engine in this process, without a socket."""

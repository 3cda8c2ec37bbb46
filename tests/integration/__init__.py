"""Tests against a server process, over sockets; one file per theme."""

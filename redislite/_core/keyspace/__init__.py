"""Entries and databases: what keys lead to, when they go, who waits for them, watches them and is told."""

"""A value whatever its encoding: what handlers work on."""

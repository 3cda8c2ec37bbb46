"""The RDB format, both ways."""

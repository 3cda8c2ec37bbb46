"""Structures as Python classes, for tests."""

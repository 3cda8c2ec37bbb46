"""Replies as Python objects; the code is in decoding.pyx."""

from typing import Any

def decode(data: bytes) -> Any: ...

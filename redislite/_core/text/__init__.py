"""Bytes read and written: numbers, patterns, RESP, compression, checksums."""

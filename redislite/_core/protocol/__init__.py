"""RESP: requests parsed, replies encoded."""

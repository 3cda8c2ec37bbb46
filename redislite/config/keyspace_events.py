"""Classes of keyspace events: from the letters of notify-keyspace-events to the data plane's bits."""

from __future__ import annotations

# NOTIFY_* bits of the data plane's flags.pxd, by the letter that asks for them.
CLASS_BITS = {
    "K": 1,  # published by key
    "E": 2,  # published by event
    "g": 4,  # generic commands
    "$": 8,  # strings
    "l": 16,  # lists
    "s": 32,  # sets
    "h": 64,  # hashes
    "z": 128,  # sorted sets
    "x": 256,  # expired
    "e": 512,  # evicted
    "t": 1024,  # streams
    "m": 2048,  # a key that was looked for and not found
    "d": 4096,  # of modules
    "n": 8192,  # a key that was not there before
}
PUBLISHED = CLASS_BITS["K"] | CLASS_BITS["E"]


def event_classes(letters: str) -> int:
    """The bits of these letters, `A` being spelled out; 0 where there is neither `K` nor `E`."""
    bits = 0
    for letter in letters:
        bits |= CLASS_BITS[letter]
    return bits if bits & PUBLISHED else 0

"""What Python sees of snapshots; the code is in rdb_snapshot.pyx."""

class RdbError(Exception):
    reason: str
    offset: int
    def __init__(self, reason: str, offset: int) -> None: ...

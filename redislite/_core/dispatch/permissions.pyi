"""What Python sees of a user's compiled permissions; the code is in permissions.pyx."""

# Of one selector: bits of allowed commands, allowed first arguments by command id, key patterns with what they allow,
# patterns of channels, numbers of databases. None: all.
SelectorRules = tuple[
    bytes | None,
    list[tuple[int, bytes]],
    list[tuple[bytes, int]] | None,
    list[bytes] | None,
    list[int] | None,
]

class Permissions:
    @property
    def is_unrestricted(self) -> bool: ...
    def replace(self, selectors: list[SelectorRules]) -> None: ...
    def check(self, arguments: list[bytes], database: int) -> tuple[int, int]: ...
    def allows_channel(self, channel: bytes, is_pattern: bool) -> bool: ...

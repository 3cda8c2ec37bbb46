"""Users: their passwords and selectors, and whose each connection is.

There is always a user named `default`, whom connections belong to until they authenticate. A user keeps his object for
as long as he exists, and with it the compiled permissions that his connections hold, so a change reaches all of them
at once. Nothing is ever applied by halves: rules go to a draft, which takes the user's place when all were right.
"""

from __future__ import annotations

from redislite._core.protocol.reply_types import CommandError
from redislite.acl.access_log import SCRIPT, TOPLEVEL, TRANSACTION, AccessLog
from redislite.acl.rules import Commands, RuleError, Selector, decoded, encoded, merged_selectors
from redislite.serving.clients import CLIENT_IN_EXEC, CLIENT_SCRIPT, DEFAULT_USER, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from redislite._core.commands.row import CommandRow
    from redislite._core.connection import Connection
    from redislite._core.dispatch.permissions import Permissions
    from redislite._core.engine import Engine
    from redislite.config.config import Config

WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
# Why a command is denied, by its number in permissions.pxd: the log's word, and what a refusal within EXEC says of it.
DENIED_DATABASE, DENIED_COMMAND, DENIED_KEY, DENIED_CHANNEL = 1, 2, 3, 4
_REASONS = {
    DENIED_DATABASE: ("database", "no permission"),
    DENIED_COMMAND: ("command", "no permission to execute the command or subcommand"),
    DENIED_KEY: ("key", "no permission to touch the specified keys"),
    DENIED_CHANNEL: ("channel", "no permission to access one of the channels used as arguments"),
}
# Kinds of subscriptions, as Connection.subscriptions numbers them: channels, patterns, sharded channels.
KIND_PATTERN = 1
SUBSCRIPTION_KINDS = (0, KIND_PATTERN, 2)
_RULES_OF_EVERYTHING = ("on", "nopass", "~*", "&*", "+@all")
_HASH_DIGITS = 64
_NO_SUCH_PASSWORD = "The password you are trying to remove from the user does not exist"
_BAD_HASH = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"


def hash_password(password: bytes) -> str:
    """What is kept of a password: its SHA-256, in hexadecimal."""
    from hashlib import sha256  # some milliseconds that a start without passwords need not pay

    return sha256(password).hexdigest()


def is_valid_name(name: str) -> bool:
    """Whether a user may have this name: no blanks, no NUL."""
    return not any(character in " \t\n\v\f\r\0" for character in name)


class User:
    """A user. A new one is off, has no password, and may do nothing.

    passwords: their hashes, in the order of their coming. selectors: the user's own first; the others never change.
    permissions: what they come to, once the user is one of an engine's.
    """

    __slots__ = ("any_password", "enabled", "name", "passwords", "permissions", "sanitizes", "selectors")

    def __init__(self, name: str, all_channels: bool = False) -> None:
        self.name = name
        self.enabled = False
        self.any_password = False
        self.sanitizes = True  # what RESTORE is given is checked in depth
        self.passwords: dict[str, None] = {}
        self.selectors = [Selector(all_channels)]
        self.permissions: Permissions | None = None

    def draft(self) -> User:
        """A copy to apply rules to."""
        other = User(self.name)
        other.take(self)
        return other

    def take(self, other: User) -> None:
        """Becomes what the other one is, name and permissions excepted."""
        self.enabled = other.enabled
        self.any_password = other.any_password
        self.sanitizes = other.sanitizes
        self.passwords = dict(other.passwords)
        self.selectors = [selector.copy() for selector in other.selectors]

    def apply(self, rule: str, commands: Commands, all_channels: bool) -> None:
        """Changes the user as the rule says. all_channels: what a new selector allows. RuleError, nothing changed."""
        word = rule.lower()
        if word in ("on", "off"):
            self.enabled = word == "on"
        elif word == "nopass":
            self.any_password = True
            self.passwords.clear()
        elif word == "resetpass":
            self.any_password = False
            self.passwords.clear()
        elif word in ("sanitize-payload", "skip-sanitize-payload"):
            self.sanitizes = word == "sanitize-payload"
        elif word == "reset":
            self.take(User(self.name, all_channels))
        elif word == "clearselectors":
            del self.selectors[1:]
        elif rule[:1] in (">", "#"):
            self._add_password(rule)
        elif rule[:1] in ("<", "!"):
            self._remove_password(rule)
        elif rule[:1] == "(" and rule[-1:] == ")":
            selector = Selector(all_channels)
            for part in rule[1:-1].split(" "):
                try:
                    selector.apply(part, commands)
                except RuleError as error:
                    raise RuleError(rule, error.reason) from None
            self.selectors.append(selector)
        else:
            self.selectors[0].apply(rule, commands)

    def _add_password(self, rule: str) -> None:
        self.passwords[self._digest(rule, ">")] = None
        self.any_password = False

    def _remove_password(self, rule: str) -> None:
        digest = self._digest(rule, "<")
        if digest not in self.passwords:
            raise RuleError(rule, _NO_SUCH_PASSWORD)
        del self.passwords[digest]

    @staticmethod
    def _digest(rule: str, plain: str) -> str:
        if rule[0] == plain:
            return hash_password(encoded(rule[1:]))
        digest = rule[1:]
        if len(digest) != _HASH_DIGITS or digest.strip("0123456789abcdef"):
            raise RuleError(rule, _BAD_HASH)
        return digest

    def accepts(self, password: bytes) -> bool:
        """Whether the user may log in with this password."""
        if not self.enabled:
            return False
        if self.any_password:
            return True
        from hmac import compare_digest

        digest = hash_password(password)
        # All are compared, however early one matches: time tells nothing.
        matches = [compare_digest(digest, known) for known in self.passwords]
        return any(matches)

    def flags(self, payload_checks: bool = True) -> list[str]:
        """The words about the user as such; payload_checks: also that about payloads, which not every original has."""
        words = ["on" if self.enabled else "off"]
        if self.any_password:
            words.append("nopass")
        if payload_checks:
            words.append("sanitize-payload" if self.sanitizes else "skip-sanitize-payload")
        return words

    def text(self, payload_checks: bool = True) -> str:
        """The user's name and rules, as they stand behind `user` in a file; payload_checks as for `flags`."""
        parts = [self.name, *self.flags(payload_checks)]
        parts += ["#" + digest for digest in self.passwords]
        parts.append(self.selectors[0].text())
        parts.extend(f"({selector.text()})" for selector in self.selectors[1:])
        return " ".join(parts)


class Users:
    """The users of one server, and the log of what was denied to them.

    denied: counted there by the log's words.
    """

    def __init__(self, engine: Engine, config: Config, denied: Counter[str]) -> None:
        self._engine = engine
        self._config = config
        self._denied = denied
        self._by_name: dict[str, User] = {}
        self.commands = Commands(engine.table)
        self.log = AccessLog()
        self._put(self._everything(DEFAULT_USER))
        if config["requirepass"]:
            self.set_default_password(config["requirepass"])

    # Looking

    @property
    def default(self) -> User:
        """Whom connections belong to until they authenticate."""
        return self._by_name[DEFAULT_USER]

    def find(self, name: str) -> User | None:
        """The user with this name."""
        return self._by_name.get(name)

    def all(self) -> list[User]:
        """All users, by name."""
        return [self._by_name[name] for name in sorted(self._by_name, key=encoded)]

    def text_of(self, user: User) -> str:
        """The user's rules as this server tells them, and writes them into files."""
        return user.text(self._config.profile["acl_tells_payload_checks"])

    def user_of(self, connection: Connection) -> User:
        """Whose the connection is."""
        return self._by_name[connection.user or DEFAULT_USER]

    @property
    def all_channels(self) -> bool:
        """Whether new users and selectors allow all channels."""
        return bool(self._config["acl-pubsub-default"] == "allchannels")

    # Changing

    def _everything(self, name: str) -> User:
        user = User(name)
        for rule in _RULES_OF_EVERYTHING:
            user.apply(rule, self.commands, False)
        return user

    def new(self, name: str, rules: Iterable[str]) -> User:
        """A user with these rules, who is none of the server's yet. RuleError."""
        user = User(name, self.all_channels)
        for rule in merged_selectors(rules):
            user.apply(rule, self.commands, self.all_channels)
        return user

    def set(self, name: str, rules: Iterable[str]) -> None:
        """Changes a user, or makes one, as ACL SETUSER does. RuleError, nothing changed."""
        user = self._by_name.get(name)
        draft = User(name, self.all_channels) if user is None else user.draft()
        for rule in merged_selectors(rules):
            draft.apply(rule, self.commands, self.all_channels)
        self._put(draft)

    def recompile(self) -> None:
        """To be called when commands have come or gone: has everybody's rules be about those that there are."""
        for user in self.all():
            assert user.permissions is not None
            user.permissions.replace([selector.compiled(self.commands) for selector in user.selectors])
            self._refresh(user)

    def set_default_password(self, password: bytes) -> None:
        """What `requirepass` does: the default user gets this one password, or needs none where it is empty."""
        draft = self.default.draft()
        draft.apply("resetpass", self.commands, False)
        draft.apply(">" + decoded(password) if password else "nopass", self.commands, False)
        self._put(draft)

    def _put(self, draft: User) -> None:
        """Has the draft be what the user of its name is, connections included."""
        user = self._by_name.get(draft.name)
        if user is None:
            user = User(draft.name)
            user.permissions = self._engine.new_permissions()
        assert user.permissions is not None
        user.permissions.replace([selector.compiled(self.commands) for selector in draft.selectors])
        user.take(draft)
        self._by_name[user.name] = user
        self._refresh(user)

    def _refresh(self, user: User) -> None:
        """Tells the user's connections of what has changed; closes those that hear what they may not hear any more."""
        for connection in self._engine.all_connections():
            if connection.user == user.name:
                connection.use_permissions(user.permissions)
                if any(connection.subscription_counts) and not self._may_keep_subscriptions(connection, user):
                    self._close(connection)
        if user.name == DEFAULT_USER:
            for connection in self._engine.all_connections():
                connection.require_authentication(self.needs_password)

    @staticmethod
    def _may_keep_subscriptions(connection: Connection, user: User) -> bool:
        allows = user.permissions.allows_channel if user.permissions is not None else None
        return allows is not None and all(
            allows(name, kind == KIND_PATTERN) for kind in SUBSCRIPTION_KINDS for name in connection.subscriptions(kind)
        )

    def delete(self, names: Iterable[str]) -> int:
        """Removes users and closes their connections; answers how many there were.

        CommandError, and nobody removed, where the default user is among them.
        """
        wanted = list(names)
        if DEFAULT_USER in wanted:
            raise CommandError(f"ERR The '{DEFAULT_USER}' user cannot be removed")
        found = [user for name in dict.fromkeys(wanted) if (user := self._by_name.pop(name, None)) is not None]
        for user in found:
            self._abandon(user)
        return len(found)

    def replace_all(self, drafts: dict[str, User]) -> None:
        """Has these be the users, as ACL LOAD does: who is not among them is deleted, but the default user may then do
        everything."""
        for user in self.all():
            if user.name not in drafts and user.name != DEFAULT_USER:
                del self._by_name[user.name]
                self._abandon(user)
        if DEFAULT_USER not in drafts:
            self._put(self._everything(DEFAULT_USER))
        for draft in drafts.values():
            self._put(draft)

    def _abandon(self, user: User) -> None:
        """Closes the connections of a user who is no more."""
        for connection in self._engine.all_connections():
            if connection.user == user.name:
                self.give(connection, self.default)
                connection.authenticated = False
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        """Closes a connection; that of the command which runs gets its reply before."""
        connection.close_soon(after_reply=connection is self._engine.executing)

    # Connections

    @property
    def needs_password(self) -> bool:
        """Whether new connections must authenticate themselves."""
        return not (self.default.enabled and self.default.any_password)

    def welcome(self, connection: Connection) -> None:
        """Makes a new connection the default user's, who is in only where he needs no password."""
        self.give(connection, self.default)
        connection.authenticated = not self.needs_password

    def give(self, connection: Connection, user: User) -> None:
        """Makes the connection this user's."""
        connection.user = user.name
        connection.use_permissions(user.permissions)

    def authenticate(self, connection: Connection, name: bytes, password: bytes, command: bytes) -> None:
        """Makes the connection this user's if the password is right; else CommandError, and it is logged.

        command: the request's first word, which the log shows.
        """
        user = self._by_name.get(decoded(name))
        if user is None or not user.accepts(password):
            self._note(connection, "auth", command, decoded(name), context_of(connection))
            raise CommandError(WRONG_PASSWORD)
        self.give(connection, user)
        connection.authenticated = True

    # What the data plane denies

    def deny(self, connection: Connection, row: CommandRow, reason: int, argument: bytes) -> bytes:
        """Notes that a command was denied, and answers the text of the error."""
        word, explanation = _REASONS[reason]
        # A script's commands are its caller's.
        is_script = bool(connection.flags & CLIENT_SCRIPT)
        caller = self._engine.script_client if is_script else None
        caller = connection if caller is None else caller
        name = caller.user
        subject = encoded(row.name) if reason == DENIED_COMMAND else argument
        self._note(caller, word, subject, name, SCRIPT if is_script else context_of(connection))
        kind = "ERR ACL failure in script:" if is_script else "NOPERM"
        if connection.flags & CLIENT_IN_EXEC:
            return encoded(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This "
                f"command is no longer allowed for the following reason: {explanation}"
            )
        if reason == DENIED_COMMAND:
            return encoded(f"{kind} User {name} has no permissions to run the '{row.name}' command")
        what = "database" if reason == DENIED_DATABASE else f"a {word}"
        return encoded(f"{kind} No permissions to access {what}")

    def _note(self, connection: Connection, reason: str, object: bytes, name: str, context: str) -> None:
        self._denied[reason] += 1
        self.log.add(
            reason,
            context,
            object,
            name,
            describe(connection),
            self._engine.now_ms,
            limit=self._config["acllog-max-len"],
        )


def context_of(connection: Connection) -> str:
    """In what context the connection's command runs."""
    if connection.flags & CLIENT_IN_EXEC or connection.queued_commands >= 0:
        return TRANSACTION
    return TOPLEVEL


def describe_denial(user: User, row: CommandRow, reason: int, argument: bytes) -> str:
    """What ACL DRYRUN answers where a command is denied."""
    if reason == DENIED_COMMAND:
        return f"User {user.name} has no permissions to run the '{row.name}' command"
    if reason == DENIED_DATABASE:
        return f"User {user.name} has no permissions to access database {decoded(argument)}"
    word = _REASONS[reason][0]
    return f"User {user.name} has no permissions to access the '{decoded(argument)}' {word}"

"""Users in files: the `aclfile`, and `user` lines of the configuration.

An `aclfile` has one user a line, `user <name> <rule> ...`, words parted by single blanks, no comments; all of it holds
or nothing. Errors name every line that is wrong.
"""

from __future__ import annotations

import os

from redislite.acl.rules import UNKNOWN_COMMAND, RuleError, UnclosedSelectorError, decoded, encoded
from redislite.acl.users import User, Users, is_valid_name
from redislite.config.config import Config
from redislite.config.text import quoted, split_arguments
from redislite.files import replace
from redislite.serving.clients import DEFAULT_USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

UNTOUCHED = "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
TWO_SOURCES = (
    "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This "
    "setup is very likely to lead to configuration errors and security holes, please define either an ACL file or "
    "declare users directly in your redis.conf, but not both."
)


class AclFileError(Exception):
    """The users of a file cannot be; the text says why, line by line."""


def load_configured(users: Users, config: Config) -> None:
    """Makes the users that the configuration names, in its lines or in its `aclfile`.

    ConfigFileError for a line that cannot be, AclFileError for a file.
    """
    if config["aclfile"]:
        if config.users:
            raise AclFileError(TWO_SOURCES)
        try:
            load_file(users, config)
        except AclFileError as error:
            raise AclFileError(f"Aborting Redis startup because of ACL errors: {error}") from None
    for statement in config.users:
        name, *rules = statement.arguments
        if not is_valid_name(name):
            raise statement.refuse("Spaces not allowed in ACL usernames")
        try:
            # The default user is there already: a line about him says all there is to say.
            users.set(name, ["reset", *rules] if name == DEFAULT_USER else rules)
        except RuleError as error:
            raise statement.refuse(f"Error in user declaration '{error.rule}': {error.reason}") from None


def configured_rules(users: Users) -> Iterator[str]:
    """The users for the configuration file, each as it stands behind `user`."""
    for user in users.all():
        words = users.text_of(user).split(" ")
        yield " ".join(word if split_arguments(word) == [word] else quoted(word) for word in words)


def _path(config: Config) -> str:
    return os.path.join(config.show("dir"), config["aclfile"])


def load_file(users: Users, config: Config) -> None:
    """Has the users be those of the `aclfile`. AclFileError, and nothing changed."""
    shown = config["aclfile"]
    try:
        with open(encoded(_path(config)), "rb") as file:
            text = decoded(file.read())
    except OSError as error:
        raise AclFileError(f"Error loading ACLs, opening file '{shown}': {error.strerror}") from None
    users.replace_all(read_users(users, text, shown))


def read_users(users: Users, text: str, shown: str) -> dict[str, User]:
    """The users that a file's text describes, none of them the server's yet. shown: the file's name. AclFileError."""
    found: dict[str, User] = {}
    problems: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r\n")
        if not line:
            continue
        words = line.split(" ")
        if words[0] != "user" or len(words) < 2:
            problems.append(f"{shown}:{number} should start with user keyword followed by the username. ")
        elif not is_valid_name(words[1]):
            problems.append(f"'{shown}:{number}: username '{words[1]}' contains invalid characters. ")
        elif words[1] in found:
            problems.append(f"WARNING: Duplicate user '{words[1]}' found on line {number}. ")
        else:
            try:
                found[words[1]] = users.new(words[1], words[2:])
            except RuleError as error:
                problems.append(f"{shown}:{number}: {_explanation(error)}")
    if problems:
        raise AclFileError("".join(problems) + UNTOUCHED)
    return found


def _explanation(error: RuleError) -> str:
    if isinstance(error, UnclosedSelectorError):
        return error.reason
    if error.reason == UNKNOWN_COMMAND:
        return f"Error in applying operation '{error.rule}': {error.reason}. "
    return f"{error.reason}. "


def save_file(users: Users, config: Config) -> None:
    """Writes all users into the `aclfile`, at once. OSError, the old file then being intact."""
    text = "".join(f"user {users.text_of(user)}\n" for user in users.all())
    replace(_path(config), encoded(text))

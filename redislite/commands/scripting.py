"""What SCRIPT and FUNCTION have in Python: HELP. The rest is native (scripts, function_commands)."""

from __future__ import annotations

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import help_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.connection import Connection

_SCRIPT_HELP = (
    (
        "DEBUG (YES|SYNC|NO)",
        "Choose how the next script that is evaluated is debugged: YES, in a process of its own, whose changes go\n"
        "with it; SYNC, in the server, which stands still meanwhile; NO, not at all.",
    ),
    ("EXISTS <sha1> [<sha1> ...]", "Tell which of these scripts are known."),
    ("FLUSH [ASYNC|SYNC]", "Forget all scripts."),
    ("KILL", "End the script that runs, if it has written nothing."),
    ("LOAD <script>", "Keep a script without running it, and tell its SHA-1."),
    ("SHOW <sha1>", "Show the text of a script."),
)
_FUNCTION_HELP = (
    ("LOAD [REPLACE] <code>", "Create a library; with REPLACE, in the place of one of the same name."),
    ("DELETE <library name>", "Delete a library and its functions."),
    ("LIST [LIBRARYNAME <pattern>] [WITHCODE]", "Tell of the libraries (whose name matches) and their functions."),
    ("STATS", "Tell which function runs and for how long, and how many there are."),
    ("KILL", "End the function that runs, if it has written nothing."),
    ("FLUSH [ASYNC|SYNC]", "Delete all libraries."),
    ("DUMP", "Return all libraries as bytes for RESTORE."),
    (
        "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
        "Create the libraries of a payload. FLUSH: after deleting all others; APPEND, the default: where none of\n"
        "the same names is there; REPLACE: in the place of those of the same names.",
    ),
)


@command("script|help", 2, "loading stale", group="scripting", since="5.0.0", summary="Explains the subcommands.")
def script_help(server: object, connection: Connection, args: list[bytes]) -> object:
    """SCRIPT HELP."""
    return help_reply("script", _SCRIPT_HELP)


@command("function|help", 2, "loading stale", group="scripting", since="7.0.0", summary="Explains the subcommands.")
def function_help(server: object, connection: Connection, args: list[bytes]) -> object:
    """FUNCTION HELP."""
    return help_reply("function", _FUNCTION_HELP)

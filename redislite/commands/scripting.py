"""What SCRIPT and FUNCTION have in Python: HELP, and SCRIPT DEBUG. The rest is native (scripts, function_commands)."""

from __future__ import annotations

from redislite._core.commands.row import command
from redislite._core.protocol.reply_types import OK, CommandError, help_reply, subcommand_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite._core.connection import Connection

_SCRIPT_HELP = (
    ("DEBUG (YES|SYNC|NO)", "NO: scripts run as ever. The other modes fail: there is no debugger."),
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


@command(
    "script|debug",
    -3,
    "noscript",
    group="scripting",
    since="3.2.0",
    syntax="mode:(YES | SYNC | NO) [engine:string@9.1.0]",
    summary="Sets how the next scripts of the connection are debugged.",
    complexity="O(1)",
)
def script_debug(server: object, connection: Connection, args: list[bytes]) -> object:
    """SCRIPT DEBUG NO; there is no debugger that the other modes could start."""
    if len(args) > 4:
        raise subcommand_error(args)
    mode = args[2].lower()
    if mode not in (b"yes", b"sync", b"no"):
        raise CommandError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    if len(args) == 4 and args[3].lower() != b"lua":
        raise CommandError(f"ERR Scripting engine '{args[3].decode('utf-8', 'backslashreplace')}' not found")
    if mode != b"no":
        raise CommandError("ERR this server has no debugger for scripts")
    return OK


@command("function|help", 2, "loading stale", group="scripting", since="7.0.0", summary="Explains the subcommands.")
def function_help(server: object, connection: Connection, args: list[bytes]) -> object:
    """FUNCTION HELP."""
    return help_reply("function", _FUNCTION_HELP)

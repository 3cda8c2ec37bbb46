"""The process's title, as ps shows it.

Guarantee: a system that has no place for it shows the command line, as ever.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from redislite.config.config import Config

PROGRAM = "redislite-server"
# Places in /proc/self/stat, counted behind the process's name.
ARGUMENTS_START, ARGUMENTS_END, ENVIRONMENT_START, ENVIRONMENT_END = 45, 46, 47, 48
LONGEST_NAME = 15


def title_text(config: Config, title: str = PROGRAM, mode: str = "") -> str:
    """Fill in `proc-title-template`. `mode` is what stands for {server-mode}, such as ` [cluster]`."""
    addresses = config["bind"]
    port, tls_port, unix_socket = config["port"], config["tls-port"], config["unixsocket"]
    if port or tls_port:
        address = addresses[0].lstrip("-") if addresses else "*"
        listening = f"{address}:{port or tls_port}"
    else:
        listening = unix_socket
    values = {
        "title": title,
        "listen-addr": listening,
        "server-mode": mode or ("[cluster]" if config["cluster-enabled"] else ""),
        "port": str(port),
        "tls-port": str(tls_port),
        "unixsocket": unix_socket,
        "config-file": config.path or "",
    }
    text: str = config["proc-title-template"]
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text.rstrip(" ")


def _move_environment() -> None:
    """Give each variable of the environment memory of its own: setting it copies it there."""
    for name, value in list(os.environ.items()):
        os.environ[name] = value


def set_title(text: str, name: str = PROGRAM) -> bool:
    """Show text in the place of the command line, as far as there is room for it; true when it is shown.

    The arguments' memory is written through /proc, where their place is told too: no foreign function is needed. The
    environment that the process was started with stands right behind; a title that needs its room gets it.
    """
    try:
        with open("/proc/self/comm", "wb") as file:
            file.write(name.encode("utf-8", "surrogateescape")[:LONGEST_NAME])
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        start, end = int(fields[ARGUMENTS_START]), int(fields[ARGUMENTS_END])
        if start <= 0 or end - start < 2:
            return False
        title = text.encode("utf-8", "surrogateescape")
        # The system shows more than the arguments' room only where the last byte of that is taken.
        if len(title) >= end - start and int(fields[ENVIRONMENT_START]) == end:
            _move_environment()
            end = int(fields[ENVIRONMENT_END])
        room = end - start
        title = title[: room - 1]
        descriptor = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, title.ljust(room, b"\0"), start)
        finally:
            os.close(descriptor)
    except (OSError, IndexError, ValueError):
        return False
    return True

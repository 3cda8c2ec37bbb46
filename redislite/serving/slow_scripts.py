"""A script that takes long: others are served meanwhile, and told BUSY."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from redislite._core.engine import Engine
    from redislite.config.config import Config
    from redislite.observability.log import Log
    from redislite.serving.loop import Loop
    from redislite.serving.shutdown import Ending

    class Server(Protocol):
        """What is used of the server."""

        config: Config
        engine: Engine
        ending: Ending
        log: Log
        loop: Loop


class SlowScripts:
    """What the engine calls while a script runs for longer than busy-reply-threshold."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def serve(self, first: bool) -> bool:
        """Serve what is ready; true where the script is to end, as the server is about to."""
        server = self._server
        if first:
            server.log.warning(
                f"Slow script detected: still in execution after {server.config['busy-reply-threshold']} milliseconds. "
                f"You can try killing the script using the {server.engine.kill_command} command."
            )
        server.loop.serve_ready()
        return server.ending.done

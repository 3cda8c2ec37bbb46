"""Clients of an engine in this process, over socket pairs: what tests share that need no server."""

from __future__ import annotations

import socket

from redislite._core.engine import Engine

READABLE = 1


class EngineClient:
    """One client of an engine, which is served when it sends, and what its peer has got."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        ours, self.peer = socket.socketpair()
        ours.setblocking(False)
        self.peer.setblocking(False)
        self.connection = engine.connect(ours.detach(), "peer", "here")

    def send(self, data: bytes) -> bytes:
        """Sends data, has it served, and ends the turn; what has come then."""
        self.peer.sendall(data)
        self.connection.ready(READABLE)
        self.engine.before_sleep()
        return self.read()

    def read(self) -> bytes:
        """What has come, and <closed> where that was all."""
        received = b""
        try:
            while part := self.peer.recv(1 << 20):
                received += part
            return received + b"<closed>"
        except BlockingIOError:
            return received


class EngineClients:
    """Several clients of one engine, by number."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.peers: list[socket.socket] = []
        self.connections: list[object] = []

    def connect(self) -> int:
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        self.peers.append(peer)
        self.connections.append(self.engine.connect(ours.detach(), "peer:0", "own:0"))
        return len(self.peers) - 1

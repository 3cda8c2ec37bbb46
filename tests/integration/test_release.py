"""Large values are released between the commands of others, whoever deletes them and whatever ``lazyfree-*`` says."""

from __future__ import annotations

import pytest
from harness import Connection, ServerProcess, wait_until

MEMBERS = 200_000
BATCH = 5_000


def figure(told: bytes, name: str) -> int:
    return int(told.decode().split(f"\r\n{name}:")[1].split("\r\n")[0])


def memory(client: Connection, name: str = "used_memory") -> int:
    return figure(client("INFO", "memory"), name)


def fill(client: Connection) -> None:
    for start in range(0, MEMBERS, BATCH):
        words = [word for n in range(start, start + BATCH) for word in (n * 7919 % MEMBERS, f"member:{n}")]
        assert client("ZADD", "large", *words) == BATCH


@pytest.mark.parametrize("lazy", ["no", "yes"])
@pytest.mark.parametrize("words", [("DEL", "large"), ("UNLINK", "large"), ("SET", "large", "x"), ("FLUSHALL", "SYNC")])
def test_a_pinging_client_is_served_meanwhile(server: ServerProcess, words: tuple[str, ...], lazy: str) -> None:
    client, other = server.connect(), server.connect()
    for name in ("user-del", "server-del"):
        assert client("CONFIG", "SET", f"lazyfree-lazy-{name}", lazy) == "OK"
    client("CONFIG", "RESETSTAT")  # the server is shared: others have released things, too
    empty = memory(client)
    fill(client)
    full = memory(client)
    # The reply, and how much is there behind it: had all been released by then, others would have waited for that.
    _, told = client.pipeline(words, ("INFO", "memory"))
    assert figure(told, "used_memory") > empty + (full - empty) * 0.5
    served = 0
    least = empty + (full - empty) // 20
    while memory(client) > least:
        assert other("PING") == "PONG"
        served += 1
    assert served >= 3
    # Redis counts a flush as lazy whatever it is asked for.
    counted = words[0] in ("UNLINK", "FLUSHALL") or lazy == "yes"
    wait_until(lambda: memory(client, "lazyfree_pending_objects") == 0, "all is released")
    assert memory(client, "lazyfreed_objects") == counted
    client("CONFIG", "RESETSTAT")
    assert memory(client, "lazyfreed_objects") == 0


def test_many_keys_expire_in_slices(server: ServerProcess) -> None:
    client, other = server.connect(), server.connect()
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    keys = 100_000
    for start in range(0, keys, BATCH):
        client.pipeline(*[("SET", f"key:{n}", "x", "PX", 1) for n in range(start, start + BATCH)])
    assert client("DBSIZE") == keys
    client("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    sizes = set()
    while (size := other("DBSIZE")) > keys // 10:
        sizes.add(size)
    # Each size that is seen is one between two slices.
    assert len(sizes) >= 10

"""What a command is propagated as, in the words of the original's append-only file."""

from __future__ import annotations

from collections.abc import Iterator


def split(stream: bytes) -> Iterator[list[bytes]]:
    """The requests of a stream in RESP."""
    position = 0
    while position < len(stream):
        end = stream.index(b"\r\n", position)
        count, position = int(stream[position + 1 : end]), end + 2
        words = []
        for _ in range(count):
            end = stream.index(b"\r\n", position)
            length = int(stream[position + 1 : end])
            words.append(stream[end + 2 : end + 2 + length])
            position = end + 4 + length
        yield words


# Commands that prepare, the command, what is propagated. NOW stands for the time in milliseconds.
FORMS: list[tuple[list[str], str, list[str]]] = [
    ([], "SET k v PXAT 4000000000000", ["SET k v PXAT 4000000000000"]),
    ([], "SET k v NX EXAT 4000000000 GET", ["SET k v PXAT 4000000000000"]),
    (["SET k 1"], "SET k v XX GET", ["SET k v XX"]),
    (["SET k GET"], "SET k v IFEQ GET GET", ["SET k v IFEQ GET"]),
    ([], "SET GET GET GET", ["SET GET GET"]),
    (["SET k 1"], "SET k v KEEPTTL", ["SET k v KEEPTTL"]),
    (["SET k 1"], "SET k v NX", []),
    ([], "GETSET k v", ["SET k v"]),
    (["SET k v"], "GETDEL k", ["DEL k"]),
    ([], "GETDEL k", []),
    (["SET k v"], "DELIFEQ k v", ["DEL k"]),
    (["SET k v"], "GETEX k", []),
    (["SET k v"], "GETEX k PERSIST", []),
    (["SET k v EX 100"], "GETEX k PERSIST", ["PERSIST k"]),
    (["SET k v"], "GETEX k EXAT 4000000000", ["PEXPIREAT k 4000000000000"]),
    (["SET k v"], "GETEX k EXAT 1", ["DEL k"]),
    (["SET k 10"], "INCRBYFLOAT k 1.5", ["SET k 11.5 KEEPTTL"]),
    ([], "MSETEX 2 a 1 b 2 NX EXAT 4000000000", ["MSETEX 2 a 1 b 2 PXAT 4000000000000"]),
    (["SET k v"], "EXPIREAT k 4000000000 NX", ["PEXPIREAT k 4000000000000 NX"]),
    (["SET k v"], "EXPIRE k -1", ["DEL k"]),
    (["SET k v"], "EXPIRE k 100 XX", []),
    ([], "FLUSHALL", ["FLUSHALL"]),
    ([], "FLUSHDB ASYNC", ["FLUSHDB ASYNC"]),
    (["SET k v"], "RENAME k k", []),
    (["RPUSH l a b"], "BLPOP m l 0", ["LPOP l"]),
    (["RPUSH l a b"], "BRPOP l 0", ["RPOP l"]),
    (["RPUSH l a b"], "BLMOVE l m LEFT RIGHT 0", ["LMOVE l m LEFT RIGHT"]),
    (["RPUSH l a b"], "BRPOPLPUSH l m 0", ["RPOPLPUSH l m"]),
    (["RPUSH l a b"], "LMPOP 2 m l RIGHT COUNT 9", ["RPOP l 2"]),
    (["RPUSH l a b"], "BLMPOP 0 1 l LEFT", ["LPOP l 1"]),
    (["SADD s a"], "SPOP s", ["SREM s a"]),
    (["SADD s a b"], "SPOP s 5", ["DEL s"]),
    (["SADD s 1"], "SPOP s 0", []),
    (["ZADD z 1 a 2 b"], "BZPOPMIN z 0", ["ZPOPMIN z"]),
    (["ZADD z 1 a 2 b"], "ZMPOP 2 m z MAX COUNT 9", ["ZPOPMAX z 2"]),
    (["ZADD z 1 a 2 b"], "BZMPOP 0 1 z MIN", ["ZPOPMIN z 1"]),
    (["HSET h f 1"], "HINCRBYFLOAT h f 0.5", ["HSET h f 1.5"]),
    (
        ["HSET h f 1", "HPEXPIREAT h 4000000000000 FIELDS 1 f"],
        "HINCRBYFLOAT h f 0.5",
        ["HSETEX h PXAT 4000000000000 FIELDS 1 f 1.5"],
    ),
    (
        ["HSET h f 1", "HPEXPIREAT h 4000000000000 FIELDS 1 f"],
        "HINCRBY h f 1",
        ["HSETEX h PXAT 4000000000000 FIELDS 1 f 2"],
    ),
    (["HSET h f 1 g 2"], "HEXPIREAT h 4000000000 NX FIELDS 2 f x", ["HPEXPIREAT h 4000000000000 NX FIELDS 1 f"]),
    (
        ["HSET h f 1 g 2", "HEXPIREAT h 3900000000 FIELDS 1 f"],
        "HEXPIREAT h 4000000000 NX FIELDS 2 f g",
        ["HPEXPIREAT h 4000000000000 NX FIELDS 1 g"],
    ),
    (["HSET h f 1 g 2"], "HEXPIRE h 0 FIELDS 2 f x", ["HDEL h f"]),
    (["HSET h f 1 g 2"], "HEXPIRE h 0 FIELDS 2 f g", ["MULTI", "HDEL h f", "HDEL h g", "EXEC"]),
    (["HSET h f 1"], "HGETEX h EXAT 4000000000 FIELDS 1 f", ["HPEXPIREAT h 4000000000000 FIELDS 1 f"]),
    (["HSET h f 1"], "HGETEX h PXAT 1 FIELDS 1 f", ["HDEL h f"]),
    (["HSETEX h EX 9 FIELDS 1 f 1"], "HGETEX h PERSIST FIELDS 1 f", ["HPERSIST h FIELDS 1 f"]),
    (["HSET h f 1"], "HGETDEL h FIELDS 2 f g", ["HDEL h f g"]),
    ([], "HSETEX h FNX EXAT 4000000000 FIELDS 1 f 1", ["HSETEX h PXAT 4000000000000 FIELDS 1 f 1"]),
    (["HSET h f 1 g 1"], "HSETEX h PXAT 1 FIELDS 2 f 1 x 2", ["MULTI", "HDEL h f", "HDEL h x", "EXEC"]),
    (["HSET h f 1 g 1"], "HGETEX h PXAT 1 FIELDS 3 f x g", ["MULTI", "HDEL h f", "HDEL h g", "EXEC"]),
    ([], "HSETEX h FNX FIELDS 1 f 1", ["HSETEX h FNX FIELDS 1 f 1"]),
    ([], "XADD x * f v", ["XADD x NOW-0 f v"]),
    (["XADD x 5-3 f v"], "XADD x 5-* f v", ["XADD x 5-4 f v"]),
    ([], "XADD x 5-3 f v", ["XADD x 5-3 f v"]),
    (["XADD x 5-3 f v"], "XADD x NOMKSTREAM MAXLEN ~ 1 6-1 f v", ["XADD x NOMKSTREAM MAXLEN = 2 6-1 f v"]),
    (["XADD x 5-3 f v"], "XADD x MINID ~ 6 LIMIT 10 6-1 f v", ["XADD x MINID = 5-3 6-1 f v"]),
    (["XADD x 5-3 f v"], "XTRIM x MINID ~ 6", ["XTRIM x MINID = 18446744073709551615-18446744073709551615"]),
    (["XADD x 5-3 f v"], "XTRIM x MAXLEN 0", ["XTRIM x MAXLEN 0"]),
    (
        ["XADD x 5-3 f v", "XGROUP CREATE x g 0", "XGROUP CREATECONSUMER x g c"],
        "XREADGROUP GROUP g c STREAMS x >",
        [
            "MULTI",
            "XCLAIM x g c 0 5-3 TIME NOW RETRYCOUNT 1 FORCE JUSTID LASTID 5-3",
            "XGROUP SETID x g 5-3 ENTRIESREAD 1",
            "EXEC",
        ],
    ),
    (
        ["XADD x 5-3 f v", "XGROUP CREATE x g 0", "XGROUP CREATECONSUMER x g c"],
        "XREADGROUP GROUP g c NOACK STREAMS x >",
        ["XGROUP SETID x g 5-3 ENTRIESREAD 1"],
    ),
    (["XGROUP CREATE x g 0 MKSTREAM"], "XREADGROUP GROUP g c STREAMS x >", ["XGROUP CREATECONSUMER x g c"]),
    (
        ["XADD x 5-3 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >"],
        "XCLAIM x g c 0 5-3 TIME 1000",
        ["XCLAIM x g c 0 5-3 TIME 1000 RETRYCOUNT 2 FORCE JUSTID LASTID 5-3"],
    ),
    (
        ["XADD x 5-3 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >", "XGROUP CREATECONSUMER x g d"],
        "XAUTOCLAIM x g d 0 0 JUSTID",
        ["XCLAIM x g d 0 5-3 TIME NOW RETRYCOUNT 1 FORCE JUSTID LASTID 5-3"],
    ),
    (["PFADD p a"], "PFCOUNT p", ["PFCOUNT p"]),
    (["PFADD p a", "PFCOUNT p"], "PFCOUNT p", []),
]

"""Mutated append-only files, replayed. Run as a program for as many as wanted, best sanitized:

    REDISLITE_BUILD=fuzz tests/sanitize python tests/log_mutations.py --count 100000

As in rdb_mutations.py, in that build mutations are guided by coverage. Half of the mutations change bytes wherever they
are, the other half words, with lengths that fit, so that commands get arguments they were not written with. However a
replay ends, afterwards the memory that is in use must be what it was.
"""

from __future__ import annotations

import random
import sys
from collections import Counter

from propagation_forms import FORMS, split
from rdb_mutations import Corpus, mutate, options_of
from rdb_samples import fill

from redislite._core.engine import Engine
from redislite._core.protocol.reply_types import CommandError

PIECE = 8_000  # bytes of a sample
# Arguments that many commands treat in ways of their own.
WORDS = [
    *(b"", b"0", b"-1", b"1.5", b"inf", b"nan", b"9223372036854775807", b"-9223372036854775808"),
    *(b"(1", b"[a", b"-", b"+", b"$", b"5-3", b"18446744073709551615-18446744073709551615"),
    *(b"x" * 70, b"MULTI", b"EXEC", b"FIELDS"),
]


def requests_of(log: bytes) -> list[list[bytes]]:
    return [words for words in split(log) if words]


def encoded(requests: list[list[bytes]]) -> bytes:
    made = bytearray()
    for words in requests:
        made += b"*%d\r\n" % len(words)
        for word in words:
            made += b"$%d\r\n%s\r\n" % (len(word), word)
    return bytes(made)


def logs() -> list[bytes]:
    """What all kinds of writes leave in an append-only file."""
    engine = Engine()
    engine.follow_writes()
    found = []
    for before, command, _ in FORMS:
        for one in (*before, command):
            try:
                engine.execute(*one.split(" "))
            except CommandError:
                continue
        log = engine.take_propagated()
        if log:
            found.append(b"#TS:1700000000\r\n" + log)
        engine.execute("FLUSHALL")
        engine.take_propagated()
    fill(engine)
    pieces: list[list[list[bytes]]] = [[]]
    for words in requests_of(engine.take_propagated()):
        if len(encoded([words])) > PIECE:
            continue
        if len(encoded([*pieces[-1], words])) > PIECE:
            pieces.append([])
        pieces[-1].append(words)
    return found + [encoded(piece) for piece in pieces if piece]


def mutate_words(log: bytes, source: random.Random) -> bytes:
    """The log with some words or requests exchanged, doubled or taken out; as it is where it is no log any more."""
    try:
        requests = requests_of(log[log.index(b"*") :])
    except (ValueError, IndexError):
        return log
    for _ in range(source.randrange(1, 5)):
        if not requests:
            break
        words = source.choice(requests)
        at = source.randrange(len(words)) if words else 0
        how = source.random()
        if how < 0.5 and at:
            words[at] = source.choice(WORDS)
        elif how < 0.7 and at:
            words[at] = source.choice(source.choice(requests) or [b""])
        elif how < 0.8 and at:
            del words[at]
        elif how < 0.9:
            words.insert(at + 1, source.choice(WORDS))
        else:
            requests.insert(source.randrange(len(requests) + 1), list(words))
    return encoded([words for words in requests if words])


class LogTarget:
    """An engine that replays logs, and is empty again after each."""

    def __init__(self, samples: list[bytes]) -> None:
        self.engine = Engine()
        self.engine.on_log = lambda level, text: None
        self.ends: Counter[str] = Counter()
        for sample in samples:
            self.give(sample)
        self.whole = self.ends["done"]
        self.used = self._memory()

    def give(self, log: bytes) -> None:
        replay = self.engine.replay(bytearray(log))
        while replay.run(1 << 20):
            pass
        self.ends[replay.state] += 1
        replay.finish()
        self.engine.flush(-1, False)

    def _memory(self) -> int:
        # What a command makes on its first use is there from then on.
        self.engine.execute("FLUSHALL")
        while self.engine.before_sleep():
            pass
        return int(self.engine.memory["used"])

    def check(self) -> None:
        used = self._memory()
        assert used == self.used, f"{used - self.used} bytes are left behind"


def main(argv: list[str]) -> int:
    options = options_of(argv, "Replays mutated append-only files.")
    source = random.Random(options.seed)
    samples = logs()
    target = LogTarget(samples)
    corpus = Corpus(samples)
    guided = ", guided by coverage" if corpus.is_guided else ""
    print(f"seed {options.seed}, {len(samples)} logs{guided}", flush=True)
    for number in range(1, options.count + 1):
        log = corpus.choose(source)
        made = mutate(log, source, corpus.members) if number & 1 else mutate_words(log, source)
        if options.trace:
            options.trace.write_text(made.hex())
        target.give(made)
        corpus.learn(made)
        if number % 1000 == 0:
            target.check()
        if number % 10_000 == 0:
            ends = ", ".join(f"{count} {end}" for end, count in sorted(target.ends.items()))
            print(f"{number} mutations: {ends}; {len(corpus.members) - len(samples)} led to other code", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

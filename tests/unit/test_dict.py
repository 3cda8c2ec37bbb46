"""The dictionary: against a plain set, through growing, shrinking and pauses; scan guarantee; randomness."""

import os
import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from redislite._core.probes.dict import DictProbe, HeapProbe

SCAN_RUNS = 1200
LONGEST_WALK = 14  # buckets: a home and its chain, at most, and levels of fans above it
MASK = 2**64 - 1


def keys_of(numbers: range | list[int]) -> list[bytes]:
    return [b"key:%d" % number for number in numbers]


def full_scan(probe: DictProbe) -> list[bytes]:
    """All keys that the steps of a scan emit; no step emits a key twice."""
    found: list[bytes] = []
    cursor = 0
    while True:
        cursor, keys = probe.scan(cursor)
        assert len(keys) == len(set(keys))
        found += keys
        if not cursor:
            return found


def colliding_keys(probe: DictProbe, bits: int, count: int, place: int = 0) -> list[bytes]:
    """Keys whose hashes share their lowest bits."""
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        key = b"c%d" % number
        if not (probe.hash(key) ^ place) & ((1 << bits) - 1):
            found.append(key)
        number += 1
    return found


class DictMachine(RuleBasedStateMachine):
    """Random calls against a set. Numbers name keys; ranges of them make the tables grow and shrink in few steps."""

    spans = st.tuples(st.integers(0, 3000), st.integers(0, 400))

    @initialize(key_offset=st.sampled_from([0, 1, 8, 13]), seed=st.tuples(st.integers(0, MASK), st.integers(0, MASK)))
    def start(self, key_offset: int, seed: tuple[int, int]) -> None:
        self.probe = DictProbe(key_offset, seed)
        self.model: set[bytes] = set()
        self.pauses = 0
        self.tight = True

    @rule(span=spans, padding=st.sampled_from([0, 0, 0, 20, 300]))
    def add(self, span: tuple[int, int], padding: int) -> None:
        for key in keys_of(range(span[0], sum(span))):
            key += b"x" * padding
            assert self.probe.add(key) == (key not in self.model)
            self.model.add(key)

    @rule(bits=st.integers(3, 8), count=st.integers(1, 300), place=st.integers(0, 7))
    def add_alike(self, bits: int, count: int, place: int) -> None:
        for key in colliding_keys(self.probe, bits, count, place):
            self.probe.add(key)
            self.model.add(key)

    @rule(bits=st.integers(1, 6))
    def keep_alike(self, bits: int) -> None:
        """What a client does that removes what it has scanned."""
        for key in sorted(self.model):
            if self.probe.hash(key) & ((1 << bits) - 1):
                assert self.probe.discard(key)
                self.model.discard(key)
        self.tight = self.tight and not self.pauses

    @rule(span=spans)
    def discard(self, span: tuple[int, int]) -> None:
        for key in keys_of(range(span[0], sum(span))):
            assert self.probe.discard(key) == (key in self.model)
            self.model.discard(key)
        self.tight = self.tight and not self.pauses

    @rule(keep=st.integers(0, 20))
    def discard_most(self, keep: int) -> None:
        for key in sorted(self.model)[keep:]:
            assert self.probe.discard(key)
            self.model.discard(key)
        self.tight = self.tight and not self.pauses

    @rule(homes=st.integers(0, 50))
    def rehash(self, homes: int) -> None:
        more = self.probe.rehash(homes)
        assert not more or self.probe.rehash_index >= 0

    @rule()
    def pause(self) -> None:
        self.probe.pause()
        self.pauses += 1

    @rule()
    def resume(self) -> None:
        if self.pauses:
            self.probe.resume()
            self.pauses -= 1

    @rule(no_resize=st.booleans())
    def no_resize(self, no_resize: bool) -> None:
        self.probe.set_no_resize(no_resize)

    @rule(entries=st.integers(0, 5000))
    def reserve(self, entries: int) -> None:
        self.probe.reserve(entries)

    @rule()
    def shrink(self) -> None:
        before = self.probe.rehash_index
        assert self.probe.shrink() == (before < 0 <= self.probe.rehash_index)

    @rule()
    def grow(self) -> None:
        before = self.probe.rehash_index
        assert self.probe.grow() == (before < 0 <= self.probe.rehash_index)

    @rule()
    def scan(self) -> None:
        found = full_scan(self.probe)
        assert sorted(found) == sorted(self.model)

    @rule(remove=st.booleans())
    def iterate(self, remove: bool) -> None:
        removed = (
            set(random.Random(len(self.model)).sample(sorted(self.model), len(self.model) // 2)) if remove else set()
        )
        assert sorted(self.probe.iterate(removed)) == sorted(self.model)
        self.model -= removed
        self.tight = self.tight and not removed

    @rule(count=st.integers(0, 40))
    def sample(self, count: int) -> None:
        found = self.probe.sample(count)
        assert len(found) == len(set(found)) <= count
        assert set(found) <= self.model
        assert bool(found) == bool(self.model and count)

    @rule()
    def random_and_replace(self) -> None:
        key = self.probe.random()
        if key is None:
            assert not self.model
        else:
            assert key in self.model
            assert self.probe.replace(key)
            assert key in self.probe

    @invariant()
    def agrees(self) -> None:
        assert len(self.probe) == len(self.model) == sum(self.probe.used)
        self.probe.check(tight=self.tight)
        for key in random.Random(len(self.model)).sample(sorted(self.model), min(20, len(self.model))):
            assert key in self.probe
        assert b"absent" not in self.probe

    def teardown(self) -> None:
        if not hasattr(self, "probe"):
            return
        assert all(key in self.probe for key in self.model)
        released: list[bytes] = []
        more = True
        while more:
            keys, more = self.probe.release(7)
            assert len(keys) <= 7
            released += keys
        assert sorted(released) == sorted(self.model)
        assert self.probe.heap_used == self.probe.table_bytes == 0


TestDictMachine = DictMachine.TestCase
TestDictMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def siphash_1_3(seed: tuple[int, int], data: bytes) -> int:
    """SipHash with one round a word and three at the end, from its definition."""
    a, b = seed[0] ^ 0x736F6D6570736575, seed[1] ^ 0x646F72616E646F6D
    c, d = seed[0] ^ 0x6C7967656E657261, seed[1] ^ 0x7465646279746573

    def rotate(word: int, bits: int) -> int:
        return (word << bits | word >> (64 - bits)) & MASK

    def mix() -> None:
        nonlocal a, b, c, d
        a, c = (a + b) & MASK, (c + d) & MASK
        b, d = rotate(b, 13) ^ a, rotate(d, 16) ^ c
        a = rotate(a, 32)
        c, a = (c + b) & MASK, (a + d) & MASK
        b, d = rotate(b, 17) ^ c, rotate(d, 21) ^ a
        c = rotate(c, 32)

    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 255) << 56)
    for word in words:
        d ^= word
        mix()
        a ^= word
    c ^= 255
    mix()
    mix()
    mix()
    return a ^ b ^ c ^ d


def test_hash_is_siphash_1_3() -> None:
    generator = random.Random(1)
    for length in [*range(70), 255, 256, 257, 1000]:
        seed = generator.getrandbits(64), generator.getrandbits(64)
        data = generator.randbytes(length)
        assert DictProbe(seed=seed).hash(data) == siphash_1_3(seed, data)


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes in another way")
def test_model_of_the_hash_agrees_with_python() -> None:
    data = b"the same bytes, hashed with a key of zeros"
    program = f"print(hash({data!r}) % 2**64)"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert int(answer.stdout) == siphash_1_3((0, 0), data)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 253, 254, 255, 65535, 65536, 70000])
def test_keys_of_any_length(length: int) -> None:
    probe = DictProbe(8)
    key = bytes(index % 251 for index in range(length))
    others = [
        key[:index] + bytes([key[index] ^ 1]) + key[index + 1 :] for index in {0, length // 2, length - 1} if length
    ]
    others.append(key + b"\0")
    assert probe.add(key)
    assert key in probe
    assert not any(other in probe for other in others)
    assert all(probe.add(other) for other in others)
    probe.check()
    assert all(probe.discard(each) for each in [key, *others])
    assert len(probe) == 0


def test_empty_dict_answers_everything_and_takes_no_table() -> None:
    probe = DictProbe()
    assert probe.table_bytes == 0
    assert b"" not in probe
    assert not probe.discard(b"a")
    assert probe.scan(0) == (0, [])
    assert probe.scan(12345) == (0, [])
    assert probe.random() is None
    assert probe.sample(5) == probe.iterate() == []
    assert not probe.rehash(10)
    assert not probe.shrink()
    assert probe.release(5) == ([], False)


def test_first_table_is_one_cache_line() -> None:
    probe = DictProbe()
    for key in keys_of(range(7)):
        probe.add(key)
    assert probe.table_bytes == 64
    probe.add(b"one more")
    probe.check()
    assert probe.table_bytes == 128


def test_growth_keeps_the_load_near_its_limit_without_help() -> None:
    probe = DictProbe()
    for count, key in enumerate(keys_of(range(60_000)), 1):
        probe.add(key)
        assert sum(probe.used) == count
        assert count <= 8 * probe.buckets[0] or probe.buckets[1]
        assert count <= 8 * max(probe.buckets)
        assert probe.table_bytes <= 64 + 40 * count
    probe.check(tight=True)


def test_a_long_life_leaves_no_trace() -> None:
    probe = DictProbe()
    generator = random.Random(9)
    numbers = list(range(6000))
    for key in keys_of(numbers):
        probe.add(key)
    while probe.rehash(1000):
        pass
    fresh = probe.children
    for number in range(6000, 60_000):
        at = generator.randrange(len(numbers))
        assert probe.discard(b"key:%d" % numbers[at])
        numbers[at] = number
        assert probe.add(b"key:%d" % number)
    probe.check(tight=True)
    assert probe.buckets == (1024, 0)
    assert abs(probe.children - fresh) < 0.3 * fresh


def test_removing_shrinks_and_ends_small() -> None:
    probe = DictProbe()
    keys = keys_of(range(50_000))
    for key in keys:
        probe.add(key)
    for key in keys[10:]:
        assert probe.discard(key)
    probe.check()
    for _ in range(100_000):
        if not probe.rehash(100) and not probe.shrink():
            break
    probe.check()
    assert probe.buckets[0] <= 16
    assert sorted(probe.iterate()) == sorted(keys[:10])


def test_shrink_overtaken_by_inserts_while_paused() -> None:
    probe = DictProbe()
    keys = keys_of(range(20_000))
    for key in keys:
        probe.add(key)
    while probe.rehash(1000):
        pass
    large = probe.buckets[0]
    probe.pause()
    for key in keys[1000:]:
        probe.discard(key)
    probe.check()
    probe.resume()
    assert probe.shrink()
    probe.rehash(large // 20)
    assert 0 < probe.rehash_index < large > probe.buckets[1]
    probe.pause()
    model = set(keys[:1000])
    for key in keys_of(range(30_000, 60_000)):
        probe.add(key)
        model.add(key)
    probe.check()
    assert sorted(full_scan(probe)) == sorted(model)
    probe.resume()
    for key in keys_of(range(60_000, 70_000)):
        probe.add(key)
        model.add(key)
    while probe.rehash(1000):
        pass
    probe.check()
    assert len(model) <= 8 * probe.buckets[0]
    assert set(probe.iterate()) == model


def test_paused_dict_moves_nothing_and_takes_whatever_comes() -> None:
    probe = DictProbe()
    for key in keys_of(range(800)):
        probe.add(key)
    while probe.rehash(1000):
        pass
    probe.pause()
    buckets = probe.buckets
    for key in keys_of(range(800, 20_000)):
        probe.add(key)
    assert probe.buckets == buckets
    assert not probe.rehash(10)
    probe.check()
    probe.resume()
    probe.add(b"one more")
    assert probe.buckets[1] * 8 >= 20_000
    while probe.rehash(1000):
        pass
    probe.check(tight=True)
    assert all(key in probe for key in keys_of(range(20_000)))


def test_under_no_resize_it_grows_only_past_the_hard_limit() -> None:
    probe = DictProbe()
    for key in keys_of(range(800)):
        probe.add(key)
    while probe.rehash(1000):
        pass
    probe.set_no_resize(True)
    buckets = probe.buckets[0]
    added = 800
    while probe.buckets == (buckets, 0):
        probe.add(b"key:%d" % added)
        added += 1
    assert 20 * buckets < added - 1 < 40 * buckets
    for number in range(added, added + buckets):
        probe.add(b"key:%d" % number)
    assert probe.buckets[1] == 0
    assert added <= 8 * probe.buckets[0]
    for number in range(added + buckets, 30_000):
        probe.add(b"key:%d" % number)
    probe.check(tight=True)
    assert all(key in probe for key in keys_of(range(30_000)))


def test_migration_stands_still_under_no_resize() -> None:
    probe = migrating_probe("grow")
    probe.set_no_resize(True)
    at = probe.rehash_index
    assert not probe.rehash(10)
    for key in keys_of(range(5000, 5500)):
        probe.add(key)
        probe.discard(key)
    assert probe.rehash_index == at
    probe.set_no_resize(False)
    assert probe.rehash(1) and probe.rehash_index > at


def test_held_back_dict_grows_when_told_to() -> None:
    probe = DictProbe()
    for key in keys_of(range(1024)):
        probe.add(key)
    while probe.rehash(1000):
        pass
    assert probe.buckets == (128, 0) and not probe.grow()
    probe.set_no_resize(True)
    probe.add(b"one more")
    assert probe.buckets == (128, 0) and not probe.grow()
    probe.set_no_resize(False)
    assert probe.grow() and probe.buckets == (128, 256)
    assert not probe.grow()
    while probe.rehash(1000):
        pass
    probe.check(tight=True)
    assert probe.buckets == (256, 0) and len(full_scan(probe)) == 1025


def test_held_back_dict_does_not_shrink() -> None:
    probe = DictProbe()
    keys = keys_of(range(5000))
    for key in keys:
        probe.add(key)
    while probe.rehash(1000):
        pass
    probe.set_no_resize(True)
    before = probe.buckets
    for key in keys[3:]:
        probe.discard(key)
    assert probe.buckets == before
    assert not probe.shrink()
    assert {probe.random() for _ in range(200)} <= set(keys[:3])
    assert set(probe.sample(3)) <= set(keys[:3])
    assert probe.sample(1)
    probe.set_no_resize(False)
    assert probe.shrink()


def test_reserve_makes_room() -> None:
    probe = DictProbe()
    probe.reserve(10_000)
    buckets = probe.buckets
    for key in keys_of(range(10_000)):
        probe.add(key)
    assert probe.buckets == buckets
    probe.reserve(100_000)
    assert probe.buckets[1] * 8 >= 100_000
    assert probe.rehash_index == 0
    probe.reserve(200_000)
    assert probe.buckets[1] * 8 >= 200_000
    probe.check()
    with pytest.raises(MemoryError):
        probe.reserve(2**62)
    probe.check()
    assert len(probe) == 10_000


def test_hundreds_of_keys_with_one_home() -> None:
    probe = DictProbe()
    keys = colliding_keys(probe, 9, 600)
    for key in keys:
        assert probe.add(key)
    probe.check()
    assert probe.longest_walk <= LONGEST_WALK
    assert all(key in probe for key in keys)
    assert b"absent" not in probe
    assert sorted(full_scan(probe)) == sorted(keys)
    generator = random.Random(3)
    model = set(keys)
    for _ in range(5000):
        key = generator.choice(keys)
        if generator.random() < 0.5:
            assert probe.discard(key) == (key in model)
            model.discard(key)
        else:
            assert probe.add(key) == (key not in model)
            model.add(key)
    probe.check()
    assert sorted(full_scan(probe)) == sorted(model)
    probe.check(tight=True)
    assert probe.longest_walk <= LONGEST_WALK
    for key in sorted(model):
        assert probe.discard(key)
        probe.check(tight=True)
    assert probe.children == 0


def test_a_chain_that_became_long_while_paused_is_mended_by_the_next_insert() -> None:
    probe = DictProbe()
    keys = colliding_keys(probe, 7, 501)
    probe.reserve(1024)
    probe.pause()
    for key in keys[:500]:
        probe.add(key)
    assert probe.longest_walk > 500 // 7
    probe.resume()
    probe.add(keys[500])
    probe.check()
    assert probe.longest_walk < 500 // 7
    assert sorted(full_scan(probe)) == sorted(probe.iterate()) == sorted(keys)


@pytest.mark.parametrize("pieces", [1, 3, 50])
@pytest.mark.parametrize("owns", [True, False])
def test_fans_are_released_in_pieces(pieces: int, owns: bool) -> None:
    probe = DictProbe()
    keys = colliding_keys(probe, 7, 700) + keys_of(range(100))
    for key in keys:
        probe.add(key)
    assert probe.children > 100
    released: list[bytes] = []
    more = True
    steps = 0
    while more:
        found, more = probe.release(pieces, owns)
        assert len(found) <= pieces
        released += found
        steps += 1
    assert steps * pieces >= 100
    assert sorted(released) == sorted(keys if owns else [])
    assert probe.table_bytes == probe.children == 0


@pytest.mark.skipif(not HeapProbe.checked(), reason="needs a build with a checked heap")
def test_memory_out_at_any_place_leaves_the_dict_whole() -> None:
    refused = 0
    for run in range(300):
        generator = random.Random(run)
        probe = DictProbe(seed=(run, 3))
        model: set[bytes] = set()
        for _ in range(generator.randrange(5, 25)):
            probe.set_heap_limit(probe.heap_used + generator.randrange(3000) if generator.random() < 0.7 else 0)
            start = generator.randrange(600)
            keys = (
                keys_of(range(start, start + generator.randrange(300)))
                if generator.random() < 0.7
                else colliding_keys(probe, generator.randrange(4, 7), generator.randrange(300))
            )
            action = generator.random()
            try:
                if action < 0.5:
                    for key in keys:
                        probe.add(key)
                        model.add(key)
                elif action < 0.9:
                    for key in sorted(model)[generator.randrange(20) :] if action < 0.6 else keys:
                        assert probe.discard(key) == (key in model)
                        model.discard(key)
                else:
                    probe.reserve(generator.randrange(3000))
            except MemoryError:
                refused += 1
            probe.rehash(generator.randrange(8))
            probe.check(tight=True)
            assert sorted(full_scan(probe)) == sorted(model)
    assert refused > 300


class Churn:
    """Makes a dict grow, shrink, pause or go on: what may happen between two steps of a scan."""

    def __init__(self, probe: DictProbe, generator: random.Random) -> None:
        self.probe = probe
        self.generator = generator
        self.extra: set[bytes] = set()
        self.held = False

    def hold(self, held: bool) -> None:
        if held != self.held:
            self.held = held
            (self.probe.pause if held else self.probe.resume)()

    def add(self, limit: int) -> None:
        for _ in range(self.generator.randrange(limit)):
            key = b"extra:%d" % self.generator.randrange(1500)
            self.probe.add(key)
            self.extra.add(key)

    def remove(self, least: int) -> None:
        ordered = sorted(self.extra)
        for key in self.generator.sample(ordered, max(least, self.generator.randrange(len(ordered) + 1))):
            self.probe.discard(key)
            self.extra.discard(key)

    def step(self) -> None:
        choice = self.generator.random()
        if choice < 0.25:
            self.add(120)
        elif choice < 0.45:
            self.remove(0)
        elif choice < 0.6:
            # Nearly empty at once, a shrink that comes a little way, then perhaps inserts that overtake it.
            self.probe.set_no_resize(False)
            self.hold(True)
            self.remove(len(self.extra) * 15 // 16)
            self.hold(False)
            self.probe.shrink()
            self.probe.rehash(self.generator.randrange(10))
            self.hold(self.generator.random() < 0.7)
            if self.generator.random() < 0.7:
                self.add(300)
        elif choice < 0.75:
            self.probe.rehash(self.generator.randrange(20))
        elif choice < 0.85:
            self.probe.set_no_resize(self.generator.random() < 0.5)
        elif choice < 0.9:
            self.hold(not self.held)


def test_scan_never_misses_a_key_that_stays() -> None:
    missed = 0
    migrations = Counter[str]()
    for run in range(SCAN_RUNS):
        generator = random.Random(run)
        probe = DictProbe(seed=(run, 7))
        stable = set(keys_of(range(generator.choice([1, 5, 30, 200]))))
        churn = Churn(probe, generator)
        for key in stable:
            probe.add(key)
        churn.add(generator.choice([1, 100, 1000]))
        seen: set[bytes] = set()
        cursor = 0
        while True:
            cursor, keys = probe.scan(cursor)
            assert len(keys) == len(set(keys))
            seen.update(keys)
            if not cursor:
                break
            churn.step()
            if probe.rehash_index >= 0:
                growing = probe.buckets[1] > probe.buckets[0]
                migrations["grow" if growing else "shrink"] += 1
        missed += len(stable - seen)
        probe.check()
    assert missed == 0
    assert min(migrations[kind] for kind in ("grow", "shrink")) > 500, migrations


SCAN_MOST = 128  # of dict.pyx


@pytest.mark.parametrize("seed", range(4))
def test_a_crowded_home_is_scanned_in_parts_and_no_key_that_stays_is_missed(seed: int) -> None:
    generator = random.Random(seed)
    probe = DictProbe(seed=(seed, 7))
    stable = set(colliding_keys(probe, 7, 700))
    churn = Churn(probe, generator)
    for key in stable:
        probe.add(key)
    churn.add(1000)
    for _ in range(10):
        seen: set[bytes] = set()
        cursor = 0
        crowded = 0
        while True:
            cursor, keys = probe.scan(cursor)
            assert len(keys) == len(set(keys)) <= SCAN_MOST
            crowded += len(keys) > SCAN_MOST // 3
            seen.update(keys)
            if not cursor:
                break
            churn.step()
        assert stable <= seen
        assert crowded


def test_a_scan_that_removes_does_not_pile_up_what_its_steps_emit() -> None:
    """Whoever scans from the start and removes what is found thins out the first homes, and the last ones fill up."""
    probe = DictProbe()
    added = 2000
    keys = keys_of(range(added))
    for key in keys:
        probe.add(key)
    for _ in range(300):
        found: list[bytes] = []
        cursor = 0
        while len(found) < 1600:
            cursor, keys = probe.scan(cursor)
            found += keys
        removed = sum(probe.discard(key) for key in found[:1600])
        for key in keys_of(range(added, added + removed)):
            probe.add(key)
        added += removed
        assert probe.longest_walk <= LONGEST_WALK
    cursor = 0
    seen: list[bytes] = []
    while True:
        cursor, keys = probe.scan(cursor)
        assert len(keys) <= SCAN_MOST
        seen += keys
        if not cursor:
            break
    assert sorted(seen) == sorted(set(seen)) and len(seen) == 2000
    probe.check()


def migrating_probe(kind: str) -> DictProbe:
    """A probe with keys 0..., amid the kind of migration named."""
    probe = DictProbe()
    if kind == "grow":
        for key in keys_of(range(800)):
            probe.add(key)
        while probe.rehash(1000):
            pass
        while probe.rehash_index < 0:
            probe.add(b"key:%d" % len(probe))
        probe.rehash(probe.buckets[0] // 3)
    elif kind == "shrink":
        probe.reserve(7000)
        for key in keys_of(range(400)):
            probe.add(key)
        assert probe.shrink()
        probe.rehash(probe.buckets[0] // 40)
    elif kind == "fan":
        for key in keys_of(range(500)) + colliding_keys(probe, 6, 100):
            probe.add(key)
        while probe.rehash(1000):
            pass
        assert probe.longest_walk > 3
    else:
        for key in keys_of(range(500)):
            probe.add(key)
        while probe.rehash(1000):
            pass
    assert (probe.rehash_index >= 0) == (kind in ("grow", "shrink"))
    return probe


@pytest.mark.parametrize("kind", ["none", "grow", "shrink", "fan"])
def test_random_is_uniform(kind: str) -> None:
    probe = migrating_probe(kind)
    draws = 100 * len(probe)
    counts = Counter(probe.random() for _ in range(draws))
    expected = draws / len(probe)
    statistic = sum((counts[key] - expected) ** 2 / expected for key in probe.iterate())
    freedom = len(probe) - 1
    assert len(counts) == len(probe)
    assert statistic < freedom + 6 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("kind", ["none", "grow", "shrink", "fan"])
def test_sample_reaches_every_key(kind: str) -> None:
    probe = migrating_probe(kind)
    met: set[bytes] = set()
    for _ in range(3000):
        found = probe.sample(16)
        assert len(found) == len(set(found))
        assert found
        met.update(found)
    assert met == set(probe.iterate())


@pytest.mark.parametrize("kind", ["none", "grow", "shrink", "fan"])
def test_sample_is_even(kind: str) -> None:
    """Every key is as often in a sample as any other, wherever it stands in its chain. Amid a migration, the one behind
    a long gap is in it as often as it is the first, at the least."""
    probe = migrating_probe(kind)
    draws = 40 * len(probe)
    counts: Counter[bytes] = Counter()
    for _ in range(draws):
        counts.update(probe.sample(5))
    expected = sum(counts.values()) / len(probe)
    assert len(counts) == len(probe)
    # Neighbours come together, which makes the statistic vary more than that of single draws.
    statistic = sum((counts[key] - expected) ** 2 / expected for key in probe.iterate())
    assert statistic < 5 * (len(probe) + 6 * (2 * len(probe)) ** 0.5)
    assert min(counts.values()) > expected / (8 if kind in ("grow", "shrink") else 3)
    assert max(counts.values()) < expected * 2


@pytest.mark.parametrize("count", [1, 3, 8, 40])
def test_sample_of_all_is_all(count: int) -> None:
    probe = DictProbe()
    keys = keys_of(range(count))
    for key in keys:
        probe.add(key)
    assert sorted(probe.sample(count + 5)) == sorted(keys)


def test_large_tables_are_migrated_and_given_back_in_pieces() -> None:
    probe = DictProbe()
    count = 120_000
    keys = keys_of(range(count))
    for key in keys:
        probe.add(key)
    probe.check()
    assert probe.buckets[0] >= 8192
    for key in keys[500:]:
        assert probe.discard(key)
    probe.check()
    probe.pause()
    for key in keys[500:60_000]:
        assert probe.add(key)
    probe.check()
    probe.resume()
    for key in keys[60_000:]:
        assert probe.add(key)
    probe.check()
    assert all(key in probe for key in keys)
    released, more = probe.release(1000)
    while more:
        keys, more = probe.release(1000)
        assert more is False or len(keys) > 500
        released += keys
    assert len(released) == count
    assert probe.release(1) == ([], False)


@pytest.mark.parametrize("growing", [False, True])
def test_only_the_tables_are_released_in_steps(growing: bool) -> None:
    """Entries that are somebody else's are not looked at: here they are simply lost."""
    probe = DictProbe()
    count = 8 * 2048 + 100 * growing
    for key in keys_of(range(count)):
        probe.add(key)
    assert bool(probe.buckets[1]) == growing
    entries = probe.heap_used - probe.table_bytes
    steps = 0
    more = True
    while more:
        keys, more = probe.release(10, owns=False)
        assert keys == []
        steps += 1
    assert steps > 20
    assert probe.table_bytes == 0 and probe.heap_used == entries

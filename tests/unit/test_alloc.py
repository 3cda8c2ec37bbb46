"""The heap: accounting, alignment, reuse and release of memory, contents kept, against a plain model."""

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from redislite._core.probes.dict import HeapProbe

PAGE = 65536
checked = pytest.mark.skipif(not HeapProbe.checked(), reason="needs a build with a checked heap")
unchecked = pytest.mark.skipif(HeapProbe.checked(), reason="pages are not used by a checked heap")


def pattern(size: int, seed: int) -> bytes:
    """Bytes that tell one block from another."""
    return (seed.to_bytes(8, "little") * (size // 8 + 1))[:size]


class HeapMachine(RuleBasedStateMachine):
    """Random calls; every block keeps its bytes and overlaps no other, and the counters say what the model says."""

    blocks = Bundle("blocks")
    lines = Bundle("lines")
    passing = Bundle("passing")

    def __init__(self) -> None:
        super().__init__()
        self.heap = HeapProbe()
        self.live: dict[int, tuple[int, int, str]] = {}
        self.made = 0

    def enter(self, address: int, size: int, kind: str = "block", kept: bytes = b"") -> tuple[int, int]:
        assert address
        alignment = 64 if kind == "lines" else 8
        assert address % alignment == 0
        if kept:
            assert self.heap.read(address, len(kept)) == kept
        self.made += 1
        self.heap.write(address, pattern(size, self.made))
        self.live[address] = (size, self.made, kind)
        return address, size

    def leave(self, address: int) -> int:
        size, seed, _ = self.live.pop(address)
        assert self.heap.read(address, size) == pattern(size, seed)
        return size

    sizes = st.one_of(st.integers(0, 64), st.integers(0, 1100), st.integers(1000, 1050), st.integers(0, 300_000))

    @rule(target=blocks, size=sizes)
    def alloc(self, size: int) -> tuple[int, int]:
        return self.enter(self.heap.alloc(size), size)

    @rule(target=blocks, size=sizes)
    def zalloc(self, size: int) -> tuple[int, int]:
        return self.enter(self.heap.zalloc(size), size, kept=bytes(size))

    @rule(target=lines, count=st.one_of(st.integers(1, 20), st.sampled_from([64, 4095, 4096, 4097, 8192])))
    def zalloc_lines(self, count: int) -> tuple[int, int]:
        return self.enter(self.heap.zalloc_lines(64 * count), 64 * count, "lines", bytes(64 * count))

    @rule(target=passing, size=st.one_of(sizes, st.integers(0, 20_000), st.sampled_from([2048, 2049, 16384, 16385])))
    def alloc_passing(self, size: int) -> tuple[int, int]:
        return self.enter(self.heap.alloc_passing(size), size, "passing")

    @rule(block=consumes(passing))
    def free_passing(self, block: tuple[int, int]) -> None:
        self.leave(block[0])
        self.heap.free_passing(*block)

    @rule(target=blocks, block=consumes(blocks), size=sizes)
    def realloc(self, block: tuple[int, int], size: int) -> tuple[int, int]:
        address, old_size = block
        kept = self.heap.read(address, min(size, old_size))
        self.leave(address)
        return self.enter(self.heap.realloc(address, old_size, size), size, kept=kept)

    @rule(block=consumes(blocks))
    def free(self, block: tuple[int, int]) -> None:
        self.leave(block[0])
        self.heap.free(*block)

    @rule(block=consumes(lines))
    def free_lines(self, block: tuple[int, int]) -> None:
        self.leave(block[0])
        self.heap.free_lines(*block)

    @rule()
    def trim(self) -> None:
        self.heap.trim()

    @invariant()
    def counters_and_extents(self) -> None:
        footprints = {
            "block": self.heap.footprint,
            "lines": self.heap.lines_footprint,
            "passing": self.heap.passing_footprint,
        }
        used = large = 0
        for size, _, kind in self.live.values():
            taken = footprints[kind](size)
            used += taken
            if size > (self.heap.passing_max if kind == "passing" else self.heap.small_max):
                large += taken
        assert self.heap.used == used
        assert self.heap.large == large
        end = 0
        for address in sorted(self.live):
            assert address >= end
            end = address + self.live[address][0]

    def teardown(self) -> None:
        release = {"block": self.heap.free, "lines": self.heap.free_lines, "passing": self.heap.free_passing}
        for address, (_, _, kind) in list(self.live.items()):
            release[kind](address, self.leave(address))
        assert self.heap.used == self.heap.large == 0
        self.heap.trim()
        assert self.heap.mapped == 0


TestHeapMachine = HeapMachine.TestCase
TestHeapMachine.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@pytest.mark.parametrize("size", [0, 1, 8, 9, 29, 63, 64, 65, 1016, 1017, 1024])
def test_small_footprint_is_the_next_multiple_of_eight(size: int) -> None:
    heap = HeapProbe()
    block = heap.alloc(size)
    assert heap.used == heap.footprint(size) == max(8, (size + 7) // 8 * 8)
    heap.free(block, size)
    assert heap.used == 0


@pytest.mark.parametrize("size", [8, 24, 64, 136, 512, 1000, 1024])
def test_many_blocks_of_a_class_are_distinct_and_dense(size: int) -> None:
    heap = HeapProbe()
    count = 3_000_000 // size
    blocks = [heap.alloc(size) for _ in range(count)]
    assert len(set(blocks)) == count
    ordered = sorted(blocks)
    assert all(after - before >= size for before, after in pairwise(ordered))
    if not heap.checked():
        assert heap.mapped <= 1.03 * count * size + PAGE
    for block in blocks[::2] + blocks[1::2]:
        heap.free(block, size)
    assert heap.used == 0


@unchecked
def test_blocks_of_a_class_of_whole_lines_are_aligned_to_lines() -> None:
    heap = HeapProbe()
    for size in range(64, 1025, 64):
        assert all(heap.alloc(size) % 64 == 0 for _ in range(3 * PAGE // size))


@unchecked
def test_empty_pages_are_kept_in_a_small_reserve_and_trimmed() -> None:
    heap = HeapProbe()
    blocks = [heap.alloc(48) for _ in range(200_000)]
    assert heap.mapped >= 200_000 * 48
    for block in blocks:
        heap.free(block, 48)
    assert heap.mapped == heap.spare_pages * PAGE
    assert 0 < heap.spare_pages <= 64
    heap.trim()
    assert heap.mapped == heap.spare_pages == 0
    assert heap.alloc(48)


@unchecked
@pytest.mark.parametrize("size", [2000, 4096, 5000, 16384])
def test_passing_blocks_go_back_page_by_page(size: int) -> None:
    heap = HeapProbe()
    blocks = [heap.alloc_passing(size) for _ in range(4000)]
    assert heap.mapped >= heap.used >= 4000 * size
    # One in fifty stays: its page does, and no other.
    kept = blocks[::50]
    for block in set(blocks) - set(kept):
        heap.free_passing(block, size)
    assert heap.mapped <= (len(kept) + heap.spare_pages) * PAGE
    for block in kept:
        heap.free_passing(block, size)
    heap.trim()
    assert heap.mapped == heap.used == 0


@unchecked
def test_pages_of_one_class_serve_another() -> None:
    heap = HeapProbe()
    for size in range(8, 1025, 8):
        blocks = [heap.alloc(size) for _ in range(2 * PAGE // size)]
        for block in blocks:
            heap.free(block, size)
    assert heap.mapped <= 8 * PAGE


@unchecked
def test_resizing_within_a_class_keeps_the_block() -> None:
    heap = HeapProbe()
    block = heap.alloc(41)
    assert heap.realloc(block, 41, 48) == block
    assert heap.realloc(block, 48, 49) != block


def test_null_is_accepted() -> None:
    heap = HeapProbe()
    heap.free(0, 10)
    heap.free_lines(0, 64)
    block = heap.realloc(0, 0, 10)
    assert block and heap.used == 16
    heap.free(block, 10)


@pytest.mark.parametrize("size", [2**62, 2**64 - 1])
def test_memory_out_answers_null_and_counts_nothing(size: int) -> None:
    heap = HeapProbe()
    assert heap.alloc(size) == heap.zalloc(size) == 0
    assert heap.zalloc_lines(size & ~63) == 0
    block = heap.alloc(2000)
    used = heap.used
    assert heap.realloc(block, 2000, size) == 0
    assert heap.used == used
    heap.free(block, 2000)


def test_huge_blocks_keep_their_bytes_while_they_are_resized() -> None:
    heap = HeapProbe()
    sizes = [heap.huge_min - 1, heap.huge_min, heap.huge_min + 1, 2 * heap.huge_min + 100, heap.huge_min, 5000]
    block, size = heap.alloc(sizes[0]), sizes[0]
    heap.write(block, b"start")
    heap.write(block + 4995, b"marks")
    for wanted in sizes[1:]:
        block, size = heap.realloc(block, size, wanted), wanted
        assert heap.read(block, 5) == b"start"
        assert heap.read(block + 4995, 5) == b"marks"
        heap.write(block + size - 5, b"marks")
        heap.write(block + 4995, b"marks")
        assert heap.used == heap.footprint(size)
    heap.free(block, size)
    assert heap.used == heap.large == 0


def test_a_zeroed_huge_block_is_never_one_that_was_kept() -> None:
    heap = HeapProbe()
    block = heap.alloc(heap.huge_min)
    heap.write(block, b"used")
    heap.free(block, heap.huge_min)
    block = heap.zalloc(heap.huge_min)
    assert heap.read(block, 4) == bytes(4)
    heap.free(block, heap.huge_min)


@unchecked
def test_a_huge_block_is_kept_for_the_next_one_of_about_its_size() -> None:
    heap = HeapProbe()
    size = 2 * heap.huge_min
    block = heap.alloc(size)
    heap.free(block, size)
    assert (heap.used, heap.large, heap.mapped) == (0, 0, size)
    again = heap.alloc(size - 1_000_000)
    assert again == block and heap.mapped < 1_000_000, "only the rest of it waits to go back"
    assert not heap.release_step(1_000_000) and heap.mapped == 0
    heap.write(again + size - 1_000_001, b"x")
    heap.free(again, size - 1_000_000)
    other = heap.alloc(3 * heap.huge_min)
    assert heap.mapped > 0, "too small for the next one: still kept"
    heap.free(other, 3 * heap.huge_min)
    assert not heap.release_step(2 * heap.huge_min)
    assert heap.mapped == 3 * heap.huge_min, "the larger one of two stays"
    smaller = heap.alloc(heap.huge_min)
    assert heap.mapped == 3 * heap.huge_min, "more than half would be lost"
    heap.free(smaller, heap.huge_min)
    heap.trim()
    assert heap.mapped == 0


@unchecked
def test_a_kept_block_goes_back_after_a_while() -> None:
    heap = HeapProbe()
    heap.free(heap.alloc(heap.huge_min), heap.huge_min)
    for now in (1_000, 1_100, 2_999):
        heap.tick(now)
        assert heap.mapped == heap.huge_min
    assert not heap.release_step(1 << 20)
    heap.tick(3_000)
    assert heap.release_step(1 << 20) and heap.mapped == heap.huge_min - (1 << 20)
    assert not heap.release_step(heap.huge_min) and heap.mapped == 0


@unchecked
def test_who_asks_for_a_huge_block_gives_as_much_back_first() -> None:
    heap = HeapProbe()
    large = 12 * heap.huge_min  # too large to be kept
    heap.free(heap.alloc(large), large)
    assert heap.mapped == large
    block = heap.alloc(heap.huge_min)
    assert heap.mapped == large - heap.huge_min
    block = heap.realloc(block, heap.huge_min, 3 * heap.huge_min)
    block = heap.realloc(block, 3 * heap.huge_min, heap.huge_min)
    assert heap.mapped == large + heap.huge_min, "what a shorter block leaves goes back in steps, too"
    heap.free(block, heap.huge_min)
    heap.trim()
    assert heap.mapped == 0


def test_large_zeroed_lines_cost_nothing_until_touched() -> None:
    heap = HeapProbe()
    if heap.checked():
        pytest.skip("a checked heap touches its blocks")
    size = 1 << 30
    block = heap.zalloc_lines(size)
    assert heap.read(block + size - 64, 64) == bytes(64)
    heap.free_lines(block, size)


def test_discarded_lines_stay_usable() -> None:
    heap = HeapProbe()
    size = 1 << 20
    block = heap.zalloc_lines(size)
    heap.write(block, b"x" * size)
    heap.discard_lines(block, size, 1 << 18, 1 << 19)
    assert heap.read(block, 1 << 18) == b"x" * (1 << 18)
    assert heap.read(block + (1 << 19), 1 << 19) == b"x" * (1 << 19)
    heap.write(block + (1 << 18), b"y" * (1 << 18))
    assert heap.read(block + (1 << 18), 1 << 18) == b"y" * (1 << 18)
    assert heap.used == heap.lines_footprint(size)
    heap.free_lines(block, size)


def test_peak_is_the_largest_noted() -> None:
    heap = HeapProbe()
    block = heap.alloc(1000)
    heap.note_peak()
    heap.free(block, 1000)
    heap.note_peak()
    assert (heap.peak, heap.used) == (1000, 0)


def test_heaps_are_apart_and_release_their_small_blocks() -> None:
    heaps = [HeapProbe() for _ in range(50)]
    for heap in heaps:
        for size in range(0, 1025, 25):
            heap.write(heap.alloc(size), b"z" * size)
    assert len({heap.used for heap in heaps}) == 1


@checked
@pytest.mark.parametrize("call", ["free(block, 41)", "realloc(block, 41, 50)", "free_lines(block, 40)"])
def test_checked_heap_ends_the_process_at_a_wrong_size_or_kind(call: str) -> None:
    made = "from redislite._core.probes.dict import HeapProbe; heap = HeapProbe(); block = heap.alloc(40)"
    program = f"{made}; heap.{call}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "heap: block" in result.stderr

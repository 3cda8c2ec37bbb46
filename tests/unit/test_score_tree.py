"""The score tree against a sorted Python list."""

from __future__ import annotations

import bisect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redislite._core.probes.score_tree import ScoreTreeProbe

Item = tuple[float, bytes]

SCORES = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False))
TEXTS = st.one_of(st.integers(0, 400).map(lambda number: b"%d" % number), st.binary(max_size=6))


class Model:
    """What the tree should hold, as a sorted list of (score, bytes)."""

    def __init__(self) -> None:
        self.tree = ScoreTreeProbe()
        self.scores: dict[bytes, float] = {}
        self.items: list[Item] = []

    def set(self, text: bytes, score: float) -> None:
        if text in self.scores:
            self.items.pop(bisect.bisect_left(self.items, (self.scores[text], text)))
        self.scores[text] = score
        bisect.insort(self.items, (score, text))
        self.tree.set(text, score)

    def remove(self, text: bytes) -> None:
        self.items.pop(bisect.bisect_left(self.items, (self.scores.pop(text), text)))
        self.tree.remove(text)

    def remove_range(self, rank: int, count: int) -> None:
        removed = self.items[rank : rank + count]
        del self.items[rank : rank + count]
        for _score, text in removed:
            del self.scores[text]
        assert self.tree.remove_range(rank, count) == [text for _score, text in removed]

    def at(self, rank: int) -> tuple[bytes, float] | None:
        return (self.items[rank][1], self.items[rank][0]) if rank < len(self.items) else None

    def check(self) -> None:
        assert self.tree.check()
        assert len(self.tree) == len(self.items)
        assert [(score, text) for text, score in self.tree.items()] == self.items
        assert [(score, text) for text, score in self.tree.items(backward=True)] == self.items[::-1]

    def check_ranks(self, text: bytes, score: float) -> None:
        rank = bisect.bisect_left(self.items, (score, text))
        assert self.tree.rank(text, score) == (rank, self.at(rank))
        for behind in (False, True):
            rank = sum(other <= score if behind else other < score for other, _text in self.items)
            assert self.tree.rank_of_score(score, behind) == (rank, self.at(rank))


@settings(deadline=None)
@given(st.data())
def test_against_a_sorted_list(data: st.DataObject) -> None:
    model = Model()
    few_texts = st.sampled_from([b"%d" % number for number in range(data.draw(st.sampled_from([3, 20, 400])))])
    texts = st.one_of(few_texts, TEXTS)
    for _ in range(data.draw(st.integers(0, 30))):
        kind = data.draw(st.sampled_from(["many", "up", "down", "set", "remove", "range", "ranks", "renew"]))
        if kind == "many":
            for text, score in data.draw(st.lists(st.tuples(texts, SCORES), max_size=200)):
                model.set(text, score)
        elif kind in ("up", "down"):
            step = 1 if kind == "up" else -1
            first = data.draw(st.integers(-1000, 1000))
            for number in range(data.draw(st.integers(0, 300))):
                model.set(b"n%d" % (first + step * number), float(first + step * number))
        elif kind == "set":
            model.set(data.draw(texts), data.draw(SCORES))
        elif kind == "remove" and model.scores:
            model.remove(data.draw(st.sampled_from(sorted(model.scores))))
        elif kind == "renew" and model.scores:
            model.tree.renew(data.draw(st.sampled_from(sorted(model.scores))))
        elif kind == "range":
            model.remove_range(data.draw(st.integers(0, 300)), data.draw(st.integers(0, 300)))
        elif kind == "ranks":
            model.check_ranks(data.draw(texts), data.draw(SCORES))
        model.check()


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=150), TEXTS, st.booleans())
def test_bytes_decide_among_equal_scores(texts: list[bytes], bound: bytes, behind: bool) -> None:
    model = Model()
    for text in texts:
        model.set(text, 1.5)
    rank = sum(text <= bound if behind else text < bound for text in model.scores)
    assert model.tree.rank_of_text(bound, behind) == (rank, model.at(rank))
    for rank in range(len(model.items) + 1):
        assert model.tree.select(rank) == model.at(rank)


@pytest.mark.parametrize("step", [1, 7919, -1])
def test_deep_trees(step: int) -> None:
    model = Model()
    size = 9973
    for number in range(size):
        number = number * step % size
        model.set(b"m%05d" % number, float(number // 3))
    model.check()
    assert model.tree.height >= 2
    for number in range(0, size, 2):
        model.set(b"m%05d" % number, float(number * 31 % 1000))
    model.check()
    for rank in range(0, size, 97):
        assert model.tree.select(rank) == model.at(rank)
    for number in range(0, size, 5):
        model.remove(b"m%05d" % number)
    model.check()
    while model.items:
        model.remove_range(len(model.items) // 3, 711)
        model.remove_range(0, 1)
        model.check()
    assert model.tree.node_bytes == 0


def test_members_in_order_fill_their_leaves() -> None:
    tree = ScoreTreeProbe()
    for number in range(20_000):
        tree.set(b"%d" % number, float(number))
    assert tree.node_bytes / 20_000 < 18


def test_a_few_members_take_little() -> None:
    tree = ScoreTreeProbe()
    tree.set(b"a", 1.0)
    assert tree.node_bytes <= 128


def test_release_in_steps() -> None:
    tree = ScoreTreeProbe()
    for number in range(5_000):
        tree.set(b"%d" % number, float(number))
    steps = 1
    while tree.release(2):
        steps += 1
    assert steps > 25
    assert tree.node_bytes == 0

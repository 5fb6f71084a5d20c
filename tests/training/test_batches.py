"""Rows are dealt fairly: to one process as ever, to several without overlap."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.errors import UsageError
from palsy_cli.training.batches import count_batches, deal, own_stretch
from palsy_cli.training.recipes import get_recipe

ROWS = np.arange(100, 203)


def be(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", world)):
        monkeypatch.setenv(name, str(value))


def shares(monkeypatch: pytest.MonkeyPatch, rows: np.ndarray, *, world: int, batch_size: int) -> list[list[np.ndarray]]:
    """Batches of each process."""
    dealt = []
    for rank in range(world):
        be(monkeypatch, rank, world)
        dealt.append(list(deal(rows, batch_size=batch_size, rng=np.random.default_rng(5))))
        assert len(dealt[-1]) == count_batches(len(rows), batch_size=batch_size)
    return dealt


def test_one_process_gets_what_it_always_got() -> None:
    """A permutation, cut into sorted batches; the generator goes on right behind the permutation."""
    rng, before = np.random.default_rng(5), np.random.default_rng(5)
    order = before.permutation(ROWS)
    batches = list(deal(ROWS, batch_size=8, rng=rng))
    assert len(batches) == len(ROWS) // 8
    for i, rows in enumerate(batches):
        assert np.array_equal(rows, np.sort(order[8 * i : 8 * (i + 1)]))
    assert rng.random() == before.random()


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_batch_of_one(monkeypatch: pytest.MonkeyPatch, world: int) -> None:
    dealt = shares(monkeypatch, ROWS, world=world, batch_size=4)
    assert all(len(rows) == 4 for own in dealt for rows in own)
    assert len({row for own in dealt for rows in own for row in rows.tolist()}) == 4 * world * len(dealt[0])
    be(monkeypatch, 0, 1)
    alone = deal(ROWS, batch_size=4 * world, rng=np.random.default_rng(5))
    for whole, *parts in zip(alone, *dealt, strict=True):
        assert np.array_equal(whole, np.sort(np.concatenate(parts)))


def test_too_few_for_a_batch_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [rows.tolist() for rows in deal(ROWS[:3], batch_size=8, rng=np.random.default_rng(0))] == [[100, 101, 102]]
    dealt = shares(monkeypatch, ROWS[:3], world=2, batch_size=8)
    assert [[len(rows) for rows in own] for own in dealt] == [[2], [1]]
    with pytest.raises(UsageError, match="1 examples cannot be dealt to 2 processes"):
        list(deal(ROWS[:1], batch_size=8, rng=np.random.default_rng(0)))


def test_no_two_processes_draw_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    for rank in range(3):
        be(monkeypatch, rank, 3)
        drawn.append(own_stretch(np.random.default_rng(5)).random(1000))
    assert np.array_equal(drawn[0], np.random.default_rng(5).random(1000))
    assert len(np.unique(np.concatenate(drawn))) == 3000


def test_published_batch_is_dealt_to_processes_and_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_recipe("ovpm", "paper").loaded_batch == 64
    assert get_recipe("ovpm", "paper", accumulate=16).loaded_batch == 4
    be(monkeypatch, 1, 4)
    assert get_recipe("ovpm", "paper", accumulate=2).loaded_batch == 8
    for accumulate in (3, 0):
        with pytest.raises(UsageError, match=f"batch of 64 .* 4 process.* accumulate {accumulate}"):
            _ = get_recipe("ovpm", "paper", accumulate=accumulate).loaded_batch

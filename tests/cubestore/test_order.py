import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cubestore.batches.draws import draws, numbers
from cubestore.batches.order import Epoch, Order, Share
from cubestore.errors import MismatchError

sizes = st.lists(st.integers(0, 30), min_size=1, max_size=40).map(np.array)


def epoch(streams, batch_size, **options):
    orders = [Order(sizes, seed=(7, k), together=3) for k, sizes in enumerate(streams)]
    return Epoch(orders, batch_size, seed=(7,), **options)


def chips(turn):
    return [(turn.stream, *pair) for pair in zip(turn.blocks, turn.indexes, strict=True)]


@given(
    streams=st.lists(sizes, min_size=1, max_size=3),
    batch_size=st.integers(1, 20),
    ranks=st.integers(1, 4),
    workers=st.integers(1, 4),
)
def test_each_chip_comes_once_over_all_ranks_and_workers(streams, batch_size, ranks, workers):
    whole = epoch(streams, batch_size)
    shares = [Share(r, ranks, w, workers) for r in range(ranks) for w in range(workers)]
    seen = [chip for s in shares for n in s.takes(0, len(whole)) for chip in chips(whole.batch(n))]
    every = {(k, b, i) for k, of in enumerate(streams) for b, n in enumerate(of) for i in range(n)}
    assert len(seen) == len(every)
    assert set(seen) == every


@given(sizes=sizes, start=st.integers(0, 40), ranks=st.integers(1, 3), workers=st.integers(1, 5))
def test_workers_taking_turns_give_the_order_of_one(sizes, start, ranks, workers):
    whole = epoch([sizes], 3)
    for rank in range(ranks):
        alone = list(Share(rank, ranks).takes(start, len(whole)))
        several = [
            list(Share(rank, ranks, w, workers).takes(start, len(whole))) for w in range(workers)
        ]
        turns = [several[k % workers][k // workers] for k in range(len(alone))]
        assert turns == alone


@given(sizes=sizes, cut=st.integers(1, 50), shuffle=st.booleans())
def test_any_part_of_an_order_can_be_had_by_itself(sizes, cut, shuffle):
    one, other = (Order(sizes, seed=(1,), shuffle=shuffle, together=2, length=90) for _ in "ab")
    if not one.chips:
        return
    blocks, indexes = one.between(0, 90)
    parts = [other.between(k, k + cut) for k in reversed(range(0, 90, cut))][::-1]
    np.testing.assert_array_equal(np.concatenate([b for b, _ in parts]), blocks)
    np.testing.assert_array_equal(np.concatenate([i for _, i in parts]), indexes)


@given(sizes=sizes.filter(lambda sizes: sizes.sum() > 0), length=st.integers(1, 200))
def test_a_longer_epoch_has_every_chip_equally_often(sizes, length):
    blocks, indexes = Order(sizes, seed=(3,), length=length).between(0, length)
    _, counts = np.unique(np.stack([blocks, indexes]), axis=1, return_counts=True)
    assert counts.sum() == length
    assert counts.max() - (counts.min() if length >= sizes.sum() else 0) <= 1


def test_epochs_and_seeds_differ_and_the_same_are_the_same():
    sizes = np.full(50, 64)
    orders = [Order(sizes, seed=seed).between(0, 500)[0] for seed in [(1, 0), (1, 1), (2, 0)]]
    again = Order(sizes, seed=(1, 0)).between(0, 500)[0]
    np.testing.assert_array_equal(orders[0], again)
    assert not any(np.array_equal(orders[0], other) for other in orders[1:])


def test_the_last_part_of_a_batch_is_left_out_only_when_asked():
    assert len(epoch([np.array([10, 5])], 4)) == 4
    assert len(epoch([np.array([10, 5])], 4, drop_last=True)) == 3


def test_chips_of_a_batch_come_from_as_many_shards_as_in_a_true_shuffle():
    sizes = np.full(400, 64)
    blocks, _ = Order(sizes, seed=(0,), together=64).between(0, 64 * 64)
    alike = [_pairs(blocks[k : k + 32]) for k in range(0, len(blocks), 32)]
    truly = np.random.default_rng(0).permutation(np.repeat(np.arange(64), 64))
    expected = [_pairs(truly[k : k + 32]) for k in range(0, len(truly), 32)]
    assert np.mean(alike) == pytest.approx(np.mean(expected), rel=0.1)


def _pairs(blocks):
    """The part of a batch's pairs of chips that lie in one shard."""
    same = (blocks[:, None] == blocks[None]).sum() - len(blocks)
    return same / (len(blocks) * (len(blocks) - 1))


def test_draws_depend_on_the_position_alone_and_are_uniform():
    drawn = draws((5, 6), np.arange(20_000))
    np.testing.assert_array_equal(draws((5, 6), [17, 3]), drawn[[17, 3]])
    found = np.stack([numbers(drawn, purpose, 4) for purpose in range(3)], axis=1)
    counts = np.histogramdd(found, bins=4, range=[(-0.5, 3.5)] * 3)[0]
    assert abs(counts / counts.mean() - 1).max() < 0.25
    assert not np.array_equal(draws((5, 7), np.arange(20_000)), drawn)


def test_a_rank_beyond_the_ranks_is_refused():
    with pytest.raises(MismatchError, match="Rank 2 of 2"):
        Share(2, 2)

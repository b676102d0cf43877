"""Batches on their way to a device: all of them, in order, whole, whatever becomes of the loader.

The lanes are device-agnostic: on the CPU the same code runs, with streams that do nothing.
"""

import threading

import numpy as np
import pytest
import torch

from cubestore_model.prefetch import LARGE, Pinned, on_device, through_lanes

CPU = torch.device("cpu")


def loader(count, *, ended=None, fails_at=None, shape=(4, 2, 8, 8)):
    """Yield batches in one buffer that is filled again, as a loader does."""
    buffer = torch.zeros(shape, dtype=torch.int16)
    try:
        for number in range(count):
            if number == fails_at:
                raise OSError(5, "the disk is gone")
            buffer.fill_(number)
            last = number == count - 1  # which is seldom full
            yield {"pixels": buffer[: 3 if last else None], "chipid": [f"chip-{number}"]}
    finally:
        if ended is not None:
            ended.set()


def lanes_on_the_cpu(batches):
    return through_lanes(batches, CPU)


def passed_on(batches):
    return on_device(batches, CPU)


@pytest.mark.parametrize("way", [lanes_on_the_cpu, passed_on])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8])
def test_every_batch_comes_once_and_in_order(way, count):
    seen = [
        (b["pixels"].unique().tolist(), b["chipid"], len(b["pixels"])) for b in way(loader(count))
    ]
    expected = [([n], [f"chip-{n}"], 3 if n == count - 1 else 4) for n in range(count)]
    assert seen == expected


def test_a_lane_keeps_its_memory_and_not_that_of_the_loader():
    places = [batch["pixels"].data_ptr() for batch in lanes_on_the_cpu(loader(6))]
    assert len(set(places)) == 2
    assert places == places[:2] * 3


def test_batches_of_another_shape_and_dtype_may_follow():
    made = [
        {"pixels": torch.full((2, 3), 7, dtype=torch.int16)},
        {"pixels": torch.full((2, 3), 8, dtype=torch.int16)},
        {"pixels": torch.full((5, 3), 0.5)},
        {"pixels": torch.full((1, 4), 9, dtype=torch.int16)},
    ]
    for one, batch in zip(made, lanes_on_the_cpu(made), strict=True):
        torch.testing.assert_close(batch["pixels"], one["pixels"])


@pytest.mark.parametrize("way", [lanes_on_the_cpu, passed_on])
def test_a_failure_of_the_loader_reaches_who_asked(way):
    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(batch["chipid"] for batch in way(loader(8, fails_at=4)))
    assert seen == [[f"chip-{n}"] for n in range(len(seen))]
    assert len(seen) >= 3  # what had come before


@pytest.mark.timeout(20)
def test_who_stops_early_ends_the_loader_and_waits_for_nothing():
    ended, before = threading.Event(), threading.active_count()
    batches = on_device(loader(1000, ended=ended), CPU)
    assert next(batches)["chipid"] == ["chip-0"]
    batches.close()
    assert ended.is_set()
    assert threading.active_count() == before


@pytest.mark.timeout(20)
def test_who_fails_in_the_middle_ends_the_loader():
    ended = threading.Event()

    def used():
        with torch.inference_mode():
            for _ in on_device(loader(1000, ended=ended), CPU):
                raise ArithmeticError

    with pytest.raises(ArithmeticError):
        used()
    assert ended.is_set()


def test_nothing_is_pinned_for_the_cpu():
    tensor = torch.zeros(LARGE)
    with Pinned(CPU) as pinned:
        assert pinned.of(tensor) is tensor


@pytest.fixture(scope="module")
def gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    return torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(4, 2, 8, 8), (4, 2, 512, 512)])  # copied first; pinned
def test_batches_come_to_a_gpu_whole_while_it_computes(gpu, shape):
    ballast = torch.rand(4096, 4096, device=gpu)
    sums = []
    for batch in on_device(loader(30, shape=shape), gpu):
        for _ in range(4):
            ballast = (ballast @ ballast).clamp(0, 1)  # so that copies come early
        sums.append(batch["pixels"].float().mean())
    np.testing.assert_allclose(torch.stack(sums).cpu(), np.arange(30))


@pytest.mark.gpu
def test_large_memory_is_pinned_where_it_lies(gpu):
    large, small = torch.zeros(LARGE), torch.zeros(8)
    with Pinned(gpu) as pinned:
        assert pinned.of(large) is large
        assert large.is_pinned()
        assert pinned.of(small).is_pinned()
        assert not small.is_pinned()
    assert not large.is_pinned()


@pytest.mark.gpu
def test_memory_of_other_processes_is_copied_and_not_held(gpu):
    shared = torch.zeros(LARGE).share_memory_()
    with Pinned(gpu) as pinned:
        assert pinned.of(shared).is_pinned()
        assert not shared.is_pinned()

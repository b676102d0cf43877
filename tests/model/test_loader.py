"""Batches as tensors: the same ones, in the same order, from any number of processes."""

import os
import shutil
import signal

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import cubestore
import cubestore_model
from cubestore.errors import MismatchError

MODIS = "modis-09a1"
OPTIONS = {"sensor": MODIS, "chip_size": 128, "batch_size": 2, "seed": 3}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A cube of three slots, each nine chips; a pixel tells its slot and place."""
    store = cubestore.create_store(tmp_path_factory.mktemp("loader") / "store")
    cube = store.create_cube("h18v04", MODIS, bands=["sur_refl_b01"])
    rows, columns = np.mgrid[2048:2400, 2048:2400]
    for k in range(3):
        pixels = (rows * 7 + columns * 3 + k * 1000)[None].astype("int16")
        shape = pixels.shape[1:]
        told = {"quality": np.full(shape, 0, "uint32"), "cloud_class": np.zeros(shape, "uint8")}
        told |= {name: np.zeros(shape, "uint16") for name in ("state", "day_of_year")}
        slot = cubestore.Slot(time=f"2024-01-0{1 + k}", item_id=f"m-{k}", platform="terra")
        cube.append(slot, {"reflectance": pixels, **told}, origin=(2048, 2048))
    return store.path


def epoch(loader):
    return [(batch["chipid"], batch["pixels"].clone()) for batch in loader]


def same(one, other):
    assert [names for names, _ in one] == [names for names, _ in other]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


def test_tensors_are_the_batches(small):
    loader = cubestore_model.loader(small, **OPTIONS)
    plain = cubestore.batches(small, **OPTIONS)
    for tensors, arrays in zip(loader, plain, strict=True):
        assert tensors["chipid"] == arrays["chipid"]
        assert tensors["pixels"].dtype == torch.int16
        assert tensors["valid"].dtype == torch.bool
        for name in ("pixels", "valid", "time", "latlon", "wavelengths"):
            np.testing.assert_array_equal(tensors[name].numpy(), arrays[name])


@pytest.fixture(scope="module")
def with_workers(small):
    """Two epochs by two processes, the second left after a batch and gone on with."""
    loader = cubestore_model.loader(small, num_workers=2, **OPTIONS)
    first = epoch(loader)
    for batch in loader:
        begun = [(batch["chipid"], batch["pixels"].clone())]
        state = loader.state_dict()
        break
    loader.load_state_dict(state)
    return first, begun + epoch(loader), state


def test_workers_give_the_order_of_one_process_and_go_on_where_it_stopped(small, with_workers):
    first, second, state = with_workers
    alone = cubestore_model.loader(small, **OPTIONS)
    same(first, epoch(alone))
    expected = epoch(alone)
    same(second, expected)
    again = cubestore_model.loader(small, **OPTIONS)
    again.load_state_dict(state)
    same(epoch(again), expected[1:])


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_left_out_is_told_by_whoever_reads(small, tmp_path, workers):
    store = tmp_path / "store"
    shutil.copytree(small, store)
    (shard,) = (
        p for p in (store / "sin/h18v04" / MODIS / "reflectance/c/1").rglob("*") if p.is_file()
    )
    shard.write_bytes(shard.read_bytes()[:-100])
    loader = cubestore_model.loader(store, num_workers=workers, on_error="skip", **OPTIONS)
    for _ in range(2):
        read = [name for batch in loader for name in batch["chipid"]]
        lost = [name for name, _ in loader.failures]
        assert len(read) == 18
        assert len(lost) == 9
        assert not set(read) & set(lost)


def test_an_epoch_that_another_has_overtaken_says_so(small):
    loader = cubestore_model.loader(small, **OPTIONS)
    first = iter(loader)
    next(first)
    next(iter(loader))
    with pytest.raises(MismatchError, match="after another has begun"):
        next(first)


def test_a_worker_that_dies_is_an_error_and_not_a_hang(small):
    dataset = cubestore_model.ChipDataset(cubestore.batches(small, **{**OPTIONS, "batch_size": 1}))
    loader = DataLoader(
        dataset, batch_size=None, num_workers=1, multiprocessing_context="spawn", prefetch_factor=1
    )
    batches = iter(loader)
    next(batches)
    torchs = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # it says the same in other words, at
    try:  # whatever moment the signal comes: here the loop itself is to notice
        os.kill(batches._workers[0].pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="exited unexpectedly"):
            for _ in batches:
                pass
    finally:
        signal.signal(signal.SIGCHLD, torchs)

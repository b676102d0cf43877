"""Batches as torch's tensors: in this process, or from worker processes in the same order.

Threads fill batches already (`cubestore.batches`), so no worker is needed to keep a device busy;
where a training script wants workers, each takes every n-th batch, and the order is the same.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

import cubestore
from cubestore.batches import Batches
from cubestore.errors import MismatchError

Batch = dict[str, Any]

FAILURES = "failures"


class ChipDataset(IterableDataset[Batch]):
    """Batches of chips for ``DataLoader(dataset, batch_size=None, num_workers=…)``.

    Workers are to be spawned (``multiprocessing_context="spawn"``), as zarr's threads do not
    outlive a fork. In this process tensors share the buffers of the batches, which are filled
    again: what is to be kept is to be cloned. From workers they come as copies.
    """

    def __init__(self, batches: Batches) -> None:
        """Wrap batches; the position is shared with the workers."""
        self.batches = batches
        self.tells_failures = False
        """Whether a worker sends the chips that it left out, as batches of `FAILURES` alone."""

        self._position = torch.tensor([batches.epoch, 0])
        self._position.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        """Return how many batches an epoch has for this rank."""
        return len(self.batches)

    def begin(self, epoch: int, start: int = 0) -> None:
        """Make the next iteration that of an epoch, from its rank's ``start``-th batch on."""
        self._position[0], self._position[1] = epoch, start

    def __iter__(self) -> Iterator[Batch]:
        """Yield this worker's batches of the epoch, or all of them where there are no workers."""
        worker, share = get_worker_info(), self.batches.share
        epoch, start = self._position.tolist()
        self.batches.set_epoch(epoch)
        self.batches.failures = []
        if worker is None:
            yield from map(tensors, self.batches.of(share, start))
            return
        mine = replace(share, worker=worker.id, workers=worker.num_workers)
        for batch in self.batches.of(mine, start):
            yield _cloned(tensors(batch))  # it is sent later, when the buffers are filled again
        if self.tells_failures and self.batches.failures:
            yield {FAILURES: self.batches.failures}


class Loader:
    """Epochs of tensors, that can be left in the middle and gone on with."""

    def __init__(self, batches: Batches, **options: Any) -> None:  # noqa: ANN401 - of DataLoader
        """Start nothing yet.

        Args:
            batches: of :func:`cubestore.batches`.
            options: of ``torch.utils.data.DataLoader``: ``num_workers``, ``pin_memory`` …
        """
        self.dataset = ChipDataset(batches)
        self.dataset.tells_failures = True
        self._told: list[tuple[str, str]] = []
        if options.get("num_workers"):
            defaults = {"multiprocessing_context": "spawn", "persistent_workers": True}
            options = {**defaults, **options}
        self._loader: DataLoader[Batch] = DataLoader(self.dataset, batch_size=None, **options)
        self.epoch, self.position, self._resume = batches.epoch, 0, 0
        self._iterations = 0

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Chips of the epoch that were left out, each with the reason; complete when it ends."""
        return [*self.dataset.batches.failures, *self._told]

    def __len__(self) -> int:
        """Return how many batches an epoch has for this rank."""
        return len(self.dataset)

    def __iter__(self) -> Iterator[Batch]:
        """Yield an epoch, or what is left of it.

        Raises:
            MismatchError: another iteration was begun meanwhile: there is one position.
        """
        epoch, start = self.epoch, self._resume
        self.set_epoch(epoch)
        self.position = start
        self.dataset.begin(epoch, start)
        self._iterations += 1
        mine, self._told = self._iterations, []
        for batch in self._loader:
            if mine != self._iterations:
                raise _overtaken()
            if FAILURES in batch:
                self._told += batch[FAILURES]
                continue
            self.position = self.dataset.batches.share.passed(batch["number"])
            if self.position == len(self):
                self.set_epoch(epoch + 1)
            yield batch
        self.set_epoch(epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: the same number is the same order, with any number of workers."""
        self.epoch, self.position, self._resume = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Return where this is: behind the last batch that was asked for."""
        told = self.dataset.batches.state_dict()
        return {**told, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another was, with whatever number of workers.

        Raises:
            MismatchError: it went through other chips, or in another order.
        """
        self.dataset.batches.load_state_dict(state)
        self.set_epoch(int(state["epoch"]))
        self.position = self._resume = int(state["position"])


def loader(
    store: str | os.PathLike[str],
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    **options: Any,  # noqa: ANN401 - of cubestore.batches
) -> Loader:
    """Return the batches of a store as tensors.

    Args:
        store: its path or address.
        num_workers: processes; 0: threads of this one, which are as quick and copy less.
        pin_memory: for a copy to a device that does not wait.
        options: of :func:`cubestore.batches`.
    """
    batches = cubestore.batches(store, **options)
    return Loader(batches, num_workers=num_workers, pin_memory=pin_memory)


def tensors(batch: Mapping[str, Any]) -> Batch:
    """Return a batch with its numbers as tensors that share their memory; the rest as it is.

    Times become microseconds since 1970, which torch has a type for.
    """
    return {name: _tensor(value) for name, value in batch.items()}


PER_CHIP = ("pixels", "valid", "time", "latlon", "slot")
"""What encoders are told of each chip, and where it lies."""


def some_of(batch: Mapping[str, Any], rows: Tensor) -> Batch:
    """Return some of a batch's chips, by index, on whatever device; names stay as they are."""
    parts = {n: batch[n] for n in PER_CHIP if isinstance(batch.get(n), Tensor)}
    there = {part.device: rows.to(part.device, non_blocking=True) for part in parts.values()}
    some = {n: part.index_select(0, there[part.device]) for n, part in parts.items()}
    return {**batch, **some}


def _tensor(value: Any) -> Any:  # noqa: ANN401 - whatever a batch holds
    if isinstance(value, dict):
        return tensors(value)
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.kind == "M":
        value = value.astype("M8[us]").view(np.int64)
    return torch.from_numpy(value if value.flags.writeable else value.copy())


def _overtaken() -> MismatchError:
    return MismatchError(
        "An epoch that was left, and is gone on with after another has begun",
        expected="one iteration of a loader at a time",
        remedy="make a loader for each",
    )


def _cloned(batch: Batch) -> Batch:
    copies = {n: _cloned(v) if isinstance(v, dict) else v for n, v in batch.items()}
    return {n: v.clone() if isinstance(v, torch.Tensor) else v for n, v in copies.items()}

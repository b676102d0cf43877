"""Batches on the device that computes: the next one is on its way while this one is used.

    for batch in on_device(batches, torch.device("cuda")):
        encoder(**prepared(batch))

Buffers that a loader fills again and again are pinned where they lie, so that the device fetches
from them itself and nothing is copied on the way. There are two lanes, each with memory on the
device that is used again; a stream of its own copies, and events tell when a lane may be filled
and when it may be read. On the CPU batches are passed on: threads fill the next one already.
"""

from collections import deque
from collections.abc import Generator, Iterable, Mapping
from itertools import cycle
from typing import Any, Self

import torch
from torch import Tensor

Batch = Mapping[str, Any]

LANES = 2
"""Batches on the device: one that is used, and one that comes."""

LARGE = 2**20
"""Bytes from which memory is pinned where it lies; less is copied into memory that is."""


def on_device(batches: Iterable[Batch], device: torch.device) -> Generator[dict[str, Any]]:
    """Yield batches with their tensors on a device, in their order.

    What a batch holds is good until the next is asked for. A failure of ``batches`` is raised
    here; who stops early closes them, and nothing waits.

    Args:
        batches: of tensors, good until the next is asked for; see `cubestore_model.loader`.
        device: where they are wanted.
    """
    source = iter(batches)
    try:
        yield from map(dict, source) if device.type == "cpu" else through_lanes(source, device)
    finally:
        if isinstance(source, Generator):
            source.close()


def through_lanes(batches: Iterable[Batch], device: torch.device) -> Generator[dict[str, Any]]:
    """Do as `on_device` says, of a device that computes while others go on."""
    lanes = cycle([Lane(device) for _ in range(LANES)])
    waiting: deque[tuple[Lane, dict[str, Any]]] = deque()
    with Pinned(device) as pinned:
        for batch, lane in zip(batches, lanes, strict=False):
            waiting.append((lane, lane.sent(batch, pinned)))
            if len(waiting) == LANES:
                yield from _used(*waiting.popleft())
            lane.arrived()  # the loader fills these buffers again
        while waiting:
            yield from _used(*waiting.popleft())


def _used(lane: "Lane", batch: dict[str, Any]) -> Generator[dict[str, Any]]:
    lane.wait()
    yield batch
    lane.free()


class Lane:
    """A place on the device for one batch, and the stream that brings it there."""

    def __init__(self, device: torch.device) -> None:
        """Bring nothing yet."""
        self.device, self._at = device, torch.get_device_module(device)
        self._stream = self._at.Stream(device) if device.type != "cpu" else self._at.Stream()
        self._came, self._free = self._at.Event(), self._at.Event()
        self._held: dict[str, Tensor] = {}

    def sent(self, batch: Batch, pinned: "Pinned") -> dict[str, Any]:
        """Begin to copy a batch; return it as it will be once it has come."""
        with self._at.stream(self._stream):
            self._stream.wait_event(self._free)
            sent = {name: self._copied(name, value, pinned) for name, value in batch.items()}
            self._came.record(self._stream)
        return sent

    def wait(self) -> None:
        """Let what is computed from now on wait until the batch has come."""
        self._at.current_stream(self.device).wait_event(self._came)

    def arrived(self) -> None:
        """Wait here until the batch has come, and its source may change."""
        self._came.synchronize()

    def free(self) -> None:
        """Give the lane back when all that was begun until now is done."""
        self._free.record(self._at.current_stream(self.device))

    def _copied(self, name: str, value: Any, pinned: "Pinned") -> Any:  # noqa: ANN401 - of a batch
        if not isinstance(value, Tensor):
            return value
        room = self._held.get(name)
        if room is None or room.dtype != value.dtype or room.numel() < value.numel():
            room = self._held[name] = torch.empty(
                value.numel(), dtype=value.dtype, device=self.device
            )
        place = room[: value.numel()].view(value.shape)
        return place.copy_(pinned.of(value), non_blocking=True)


class Pinned:
    """Memory that the operating system does not move while this is open: devices read it."""

    def __init__(self, device: torch.device) -> None:
        """Pin none yet.

        Args:
            device: that is to read it; of none but CUDA's anything is pinned.
        """
        self._device = device
        self._held: dict[int, torch.UntypedStorage] = {}
        self._refused: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._held:
            torch.cuda.synchronize(self._device)  # nothing on its way may lose its source
        for address in self._held:
            torch.cuda.cudart().cudaHostUnregister(address)  # type: ignore[no-untyped-call]
        self._held.clear()

    def of(self, tensor: Tensor) -> Tensor:
        """Return a tensor in pinned memory: itself, where it is large and can be.

        What comes from another process lies in memory of its own each time, and is copied.
        """
        if self._device.type != "cuda":
            return tensor
        storage = tensor.untyped_storage()
        if storage.nbytes() >= LARGE and not storage.is_shared() and self._pins(storage):
            return tensor
        return tensor.pin_memory()

    def _pins(self, storage: torch.UntypedStorage) -> bool:
        address = storage.data_ptr()
        if address not in self._held and address not in self._refused:
            portable = 1  # cudaHostRegisterPortable, as torch registers what processes share
            runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
            if int(runtime.cudaHostRegister(address, storage.nbytes(), portable)):
                self._refused.add(address)
            else:
                self._held[address] = storage
        return address in self._held

"""Batches of chips for training: shuffled, replayable, at the speed of the disk.

    for batch in cubestore.batches("STORE", sensor="sentinel-2-l2a", batch_size=32):
        batch["pixels"]                 # (32, bands, 256, 256), as stored, in a buffer used again

An epoch is a list of batches that the seed alone decides (`cubestore.batches.order`). Each is
filled by threads, a few batches ahead, into buffers that were made once; what a batch holds is
therefore good until the next is asked for. Pixels stay the integers that are stored.
"""

import hashlib
import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from errno import EMFILE, ENFILE
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from cubestore.batches.augment import turns
from cubestore.batches.draws import draws
from cubestore.batches.filling import Filler, Key, Want
from cubestore.batches.listing import refuse_unknown
from cubestore.batches.loading import SENSOR, Loading
from cubestore.batches.opening import cube_stream, patch_stream
from cubestore.batches.order import Epoch, Order, Share, Turn
from cubestore.batches.selection import Selection
from cubestore.batches.streams import Stream
from cubestore.errors import CubestoreError, MismatchError
from cubestore.store import Store, open_store

if TYPE_CHECKING:
    import pyarrow as pa

Batch = dict[str, Any]

log = logging.getLogger(__name__)


def batches(
    store: Store | str | os.PathLike[str],
    *,
    sensor: str | Sequence[str],
    chips: "pa.Table | None" = None,
    patches: str = "",
    rank: int = 0,
    ranks: int = 1,
    **options: Any,  # noqa: ANN401 - of Loading, and of a question to the index
) -> "Batches":
    """Return the batches of a store.

    Chips come from the chip index, if the store has one of their size, or ``chips``, or a question
    asks for it; else every window of every slot is one that has a shard there.

    Args:
        store: a store, or the path or address of one.
        sensor: one or several ids; each batch is of one. Of a patch set: variables.
        chips: rows of the index, such as `cubestore.index.scan` returns. With a column ``repeats``
            each comes so often in an epoch; with ``weights`` an epoch has as many chips as there
            are rows, each as often as it weighs, on average over epochs.
        patches: take the chips of this patch set instead.
        rank: of this process, where several share an epoch.
        ranks: how many they are.
        options: fields of :class:`cubestore.Loading`; and, as in :func:`cubestore.chips`, ``tile``,
            ``bbox``, ``datetime``, ``max_cloud``, ``max_nodata``, ``split``, ``where``.

    Returns:
        An iterable of dicts, an epoch each time: ``pixels`` ``(batch, [date,] band, y, x)`` as
        stored, ``valid`` ``(batch, [date,] y, x)``, ``time`` and ``latlon`` as Clay encodes them,
        ``gsd`` in metres, ``wavelengths`` in micrometres, ``platform``, ``chipid`` and others; one
        dict more for each sensor ``beside``. The arrays are filled again for later batches.

    Raises:
        MismatchError: options that cannot be, or sources that do not go together.
        NoIndexError: a question, and no index that could answer it.
    """
    fields = set(Loading.__dataclass_fields__)
    chosen: dict[str, Any] = {k: _several(k, v) for k, v in options.items() if k in fields}
    loading = Loading(**chosen)
    question = {name: value for name, value in options.items() if name not in fields}
    sensors = [sensor] if isinstance(sensor, str) else list(sensor)
    opened = store if isinstance(store, Store) else open_store(store)
    if patches:
        refuse_unknown({} if chips is None else {"chips": chips}, ["split"])
        streams = [patch_stream(opened, patches, name, loading, question) for name in sensors]
    else:
        streams = [cube_stream(opened, name, loading, chips, question) for name in sensors]
    return Batches(streams, loading, rank=rank, ranks=ranks)


class Batches:
    """The batches of a store, epoch after epoch: each iteration is one, in an order of its own.

    An iteration that is left early is begun again by the next. Nothing is read or started before
    the first batch is asked for, and it can be sent to other processes.
    """

    def __init__(
        self, streams: Sequence[Stream], loading: Loading, *, rank: int = 0, ranks: int = 1
    ) -> None:
        """See :func:`cubestore.batches`."""
        self.streams, self.loading = tuple(streams), loading
        self.share = Share(rank, ranks)
        for stream in self.streams:
            stream.refuse_unfit(loading)
        if loading.drop_last and not self._total:
            raise MismatchError(
                f"{sum(s.count for s in streams)} chips, of which {ranks} ranks have no batch each",
                expected=f"at least {ranks} whole batches of {loading.batch_size}",
                remedy="choose a smaller batch_size, or keep the last",
            )
        self.epoch, self.position, self._resume = 0, 0, 0
        self.failures: list[tuple[str, str]] = []
        """Chips of this epoch that were left out, each with the reason; workers keep their own."""

    def __len__(self) -> int:
        """Return how many batches an epoch has for this rank."""
        return len(self.share.takes(0, self._total))

    def __iter__(self) -> Iterator[Batch]:
        """Yield an epoch, or what is left of it; the arrays are used again for a later batch."""
        epoch, start, self.failures = self.epoch, self._resume, []
        self.set_epoch(epoch)
        self.position = start
        for batch in self.of(self.share, start):
            self.passed(batch)
            yield batch
        self.set_epoch(epoch + 1)

    def passed(self, batch: Mapping[str, Any]) -> None:
        """Note that a batch was asked for: behind the last one, this is at the next epoch."""
        self.position = self.share.passed(batch["number"])
        if self.position == len(self):
            self.set_epoch(self.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: the same number is the same order, whoever runs it."""
        self.epoch, self.position, self._resume = epoch, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Return where this is: behind the last batch that was asked for."""
        where = {"epoch": self.epoch, "position": self.position, "ranks": self.share.ranks}
        return {**where, "chips": self.fingerprint()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another was.

        Raises:
            MismatchError: it went through other chips, or in another order.
        """
        if (state["chips"], state["ranks"]) != (self.fingerprint(), self.share.ranks):
            raise MismatchError(
                "The saved position is of other chips, of another order, or of other ranks",
                expected="the same store, chips, seed, batch size and number of ranks",
                remedy="use the options of then; an index or a store that has grown is another",
            )
        self.set_epoch(int(state["epoch"]))
        self.position = self._resume = int(state["position"])

    def fingerprint(self) -> str:
        """Return a digest of which chips there are and of what decides their order."""
        told = hashlib.sha256(repr(self.loading.ordering()).encode())
        for stream in self.streams:
            told.update(stream.fingerprint())
        return told.hexdigest()

    def of(self, share: Share, start: int = 0) -> Iterator[Batch]:
        """Yield the batches that somebody takes of the epoch, of its rank from the ``start``-th on.

        A batch of which nothing could be read is left out too.
        """
        number, chosen = self.epoch, self._chosen(self.epoch)
        epoch = self._epoch(number, chosen)
        turns = (epoch.batch(n) for n in share.takes(start, self._total))
        wants = ((turn, self._want(turn, number, chosen[turn.stream])) for turn in turns)
        fillers = [stream.filler(self.loading) for stream in self.streams]
        threads = self.loading.threads or len(os.sched_getaffinity(0))
        with _Pipeline(self, fillers, threads) as pipeline:
            yield from pipeline.run(wants)

    def _chosen(self, number: int) -> list[Selection]:
        """Return the chips of each stream in an epoch."""
        seed = self.loading.seed, number
        return [s.selection.of_epoch((*seed, k)) for k, s in enumerate(self.streams)]

    def _epoch(self, number: int, chosen: Sequence[Selection]) -> Epoch:
        one, key = self.loading, (self.loading.seed, number)
        most = max((selection.count for selection in chosen), default=0)
        orders = [
            Order(
                selection.sizes,
                seed=(*key, k),
                shuffle=one.shuffle,
                together=one.together,
                length=most if SENSOR in one.balance and selection.count else None,
            )
            for k, selection in enumerate(chosen)
        ]
        return Epoch(orders, one.chips, seed=key, shuffle=one.shuffle, drop_last=one.drop_last)

    @cached_property
    def _total(self) -> int:
        """How many batches the ranks have together in an epoch: the same each, if the last go."""
        count = len(self._epoch(0, self._chosen(0)))
        return count - count % self.share.ranks if self.loading.drop_last else count

    def _want(self, turn: Turn, epoch: int, chosen: Selection) -> Want:
        """Return the chips of a batch, with what is drawn for each."""
        one, stream = self.loading, self.streams[turn.stream]
        positions = turn.first + np.arange(len(turn.blocks))
        key = (one.seed, epoch, turn.stream)
        chips = chosen.chips(turn.blocks, turn.indexes)
        slots = chips.slot[:, None]
        if one.dates > 1 or one.jitter:
            choices = chosen.slots_of(turn.blocks, turn.indexes)
            slots = stream.slots(chips, choices, one, draws(key, positions))
        drawn = draws(key, (positions[:, None] * one.crops + np.arange(one.crops)).ravel())
        return Want(
            chips=chips,
            slots=slots,
            corners=stream.corners(drawn, one),
            turns=turns(drawn, flips=one.flips, rotations=one.rotations),
        )


class _Pipeline:
    """Threads that fill the next batches while one is looked at."""

    def __init__(self, batches: Batches, fillers: Sequence[Filler], threads: int) -> None:
        self._batches, self._fillers = batches, fillers
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="cubestore")
        self._threads = threads
        self._ring: dict[tuple[int, int], dict[Key, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, wants: Iterator[tuple[Turn, Want]]) -> Iterator[Batch]:
        pending: deque[tuple[Turn, Want, dict[Key, Any], list[Future[list[_Failed]]]]] = deque()
        ahead = self._batches.loading.ahead
        for number, (turn, want) in enumerate(wants):
            pending.append(self._begun(turn, want, number % (ahead + 1)))
            if len(pending) > ahead:
                yield from self._finished(*pending.popleft())
        while pending:
            yield from self._finished(*pending.popleft())

    def _begun(
        self, turn: Turn, want: Want, place: int
    ) -> tuple[Turn, Want, dict[Key, Any], list[Future[list["_Failed"]]]]:
        filler, key = self._fillers[turn.stream], (turn.stream, place)
        if key not in self._ring:
            self._ring[key] = filler.buffer(self._batches.loading.chips)
        parts = np.array_split(np.arange(len(turn.blocks)), self._threads)
        tasks = [
            self._pool.submit(self._fill, filler, want, self._ring[key], part.tolist())
            for part in parts
            if len(part)
        ]
        return turn, want, self._ring[key], tasks

    def _fill(
        self, filler: Filler, want: Want, arrays: Mapping[Key, Any], numbers: Sequence[int]
    ) -> list["_Failed"]:
        failed: list[_Failed] = []
        for number in numbers:
            try:
                filler.fill(want, arrays, number)
            except (CubestoreError, OSError) as error:
                exhausted = isinstance(error, OSError) and error.errno in {EMFILE, ENFILE}
                if self._batches.loading.on_error == "raise" or exhausted:
                    raise
                failed.append((number, error))
        return failed

    def _finished(
        self,
        turn: Turn,
        want: Want,
        arrays: Mapping[Key, Any],
        tasks: Sequence[Future[list["_Failed"]]],
    ) -> Iterator[Batch]:
        failed = dict(one for task in tasks for one in task.result())
        kept = [n for n in range(len(turn.blocks)) if n not in failed]
        stream = self._batches.streams[turn.stream]
        for number, error in failed.items():
            name = stream.chip_id(want.chips, number, int(want.slots[number, 0]))
            self._batches.failures.append((name, str(error)))
            log.warning("left out %s: %s", name, error)
        if kept:
            told = stream.batch(want, arrays, kept, self._batches.loading)
            yield {"number": turn.number, **told}


_Failed = tuple[int, Exception]


def _several(name: str, value: object) -> object:
    """Return one or several words as Loading takes them."""
    if name in {"bands", "variables", "beside", "balance"} and isinstance(value, str):
        return (value,) if value else ()
    return tuple(value) if isinstance(value, list) else value

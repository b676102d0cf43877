"""A stream: the chips of one sensor, and all that batches of it say."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore import embeddings
from cubestore.batches import layers
from cubestore.batches.augment import crop_corners
from cubestore.batches.draws import Draws, Purpose, numbers
from cubestore.batches.encodings import place_encoding, time_encoding
from cubestore.batches.filling import Filler, Key, Want
from cubestore.batches.layers import Layer
from cubestore.batches.loading import Loading
from cubestore.batches.selection import Chips, Ints, Selection
from cubestore.batches.sources import CubeSource, Source
from cubestore.embeddings.stored import commits_of
from cubestore.errors import GridMismatchError, MismatchError
from cubestore.visible import COMPUTED

VECTORS = "embedding_"
"""What the names of variables with one vector a chip begin with."""


class Stream:
    """Chips of one sensor, of any number of sources with the same bands and pixels."""

    def __init__(
        self,
        sources: Sequence[Source],
        selection: Selection,
        *,
        beside: Mapping[str, Sequence[CubeSource]],
    ) -> None:
        """Take the chips of some sources.

        Args:
            sources: of one sensor.
            selection: which of their chips.
            beside: another sensor's id -> its source on the tile of each source.

        Raises:
            MismatchError: sources with other bands or another pixel type.
        """
        self.sources, self.selection, self.beside = tuple(sources), selection, dict(beside)
        first = self.sources[0]
        for other in self.sources[1:]:
            if other.bands != first.bands:
                raise MismatchError(
                    f"{other.name} has the bands {' '.join(other.bands)}",
                    expected=f"{' '.join(first.bands)}, as {first.name}",
                    remedy="name those `bands` that all of them have",
                )

    @property
    def count(self) -> int:
        """How many chips an epoch has."""
        return self.selection.count

    def fingerprint(self) -> bytes:
        """Return a digest of the chips."""
        told = hashlib.sha256(repr([(s.name, s.sensor, s.bands) for s in self.sources]).encode())
        told.update(self.selection.digest())
        return told.digest()

    def filler(self, loading: Loading) -> Filler:
        """Return what fills batches, as they are wanted."""
        return Filler(
            self._layers(loading),
            dates=loading.dates,
            crop=loading.crop,
            crops=loading.crops,
            valid=loading.valid,
        )

    def refuse_unfit(self, loading: Loading) -> None:
        """Refuse variables and sizes that do not fit the chips.

        Raises:
            MismatchError: no such variable, or vectors of other chips.
            GridMismatchError: chips or crops that are no whole pixels of a sensor beside.
        """
        for layer in self._layers(loading):
            side = Fraction(layer.size * (loading.crop or loading.chip_size), loading.chip_size)
            if side.denominator > 1:
                raise GridMismatchError(
                    f"Crops of {loading.crop} pixels are {float(side):g} of {layer.beside}",
                    expected="a whole number",
                    remedy=f"choose a multiple of {side.denominator} x {loading.crop}",
                )
        for name in loading.variables:
            if name.startswith(VECTORS):
                self._refuse_other_chips(name, loading)

    def corners(self, drawn: Draws, loading: Loading) -> NDArray[np.int64]:
        """Return where each sample begins in its chip, on whole pixels of all that is beside."""
        grain = math.lcm(
            *(Fraction(n, loading.chip_size).denominator for n in self._sizes(loading))
        )
        room = (loading.chip_size - (loading.crop or loading.chip_size)) // grain
        return grain * crop_corners(drawn, (room + 1, room + 1), 1)

    def _layers(self, loading: Loading) -> list[Layer]:
        maps = [name for name in loading.variables if not name.startswith(VECTORS)]
        size, variable = loading.chip_size, self.sources[0].variable
        return [
            layers.own(self.sources, variable, size, pixels=True),
            *(layers.own(self.sources, name, size, pixels=False) for name in maps),
            *(self._beside(name, loading) for name in self.beside),
        ]

    def _sizes(self, loading: Loading) -> list[int]:
        """Return the pixels along a chip's side of each layer."""
        sides = [self.sources[0], *(of[0] for of in self.beside.values())]
        return [round(loading.chip_size * self.sources[0].gsd / one.gsd) for one in sides]

    def _refuse_other_chips(self, name: str, loading: Loading) -> None:
        for source in self.sources:
            known = source.root.arrays.get(name, {}).get("attributes", {})
            if not isinstance(source, CubeSource) or "chip_size" not in known or loading.overlap:
                found = f"{source.name} has no {name} of such chips"
            elif known["chip_size"] != loading.chip_size:
                found = f"{name} of {source.name} is of chips of {known['chip_size']} pixels"
            else:
                continue
            raise MismatchError(
                found,
                expected=f"vectors of chips of {loading.chip_size} pixels that do not overlap",
                remedy="pass their chip_size, or leave the variable out",
            )

    def slots(self, chips: Chips, choices: Sequence[Ints], loading: Loading, drawn: Draws) -> Ints:
        """Return the slots of each chip ``(chip, date)``, drawn of those of its place."""
        picked = [
            _drawn(choice, own, draw, loading)
            for choice, own, draw in zip(choices, chips.slot.tolist(), drawn, strict=True)
        ]
        return np.array(
            [self._by_time(s, row) for s, row in zip(chips.source, picked, strict=True)]
        )

    def batch(
        self, want: Want, arrays: Mapping[Key, Any], kept: Sequence[int], loading: Loading
    ) -> dict[str, Any]:
        """Return a batch as its users see it, of those chips that were read."""
        samples = [k * loading.crops + n for k in kept for n in range(loading.crops)]
        whole = samples == list(range(len(samples)))
        rows: Any = slice(len(samples)) if whole else samples
        batch: dict[str, Any] = self._told(want, kept, loading)
        for (other, name), array in arrays.items():
            (batch.setdefault(other, self._of(other)) if other else batch)[name] = array[rows]
        for name in loading.variables:
            if name.startswith(VECTORS):
                batch[name] = self._vectors(name, want, kept, loading)
        return batch

    def chip_id(self, chips: Chips, number: int, slot: int | None = None) -> str:
        """Return the name of a chip of a batch."""
        source, own, y, x = (int(part[number]) for part in chips)
        return self.sources[source].chip_id(
            own if slot is None else slot, self.selection.grids[source], y, x
        )

    def _beside(self, name: str, loading: Loading) -> Layer:
        mine = [s for s in self.sources if isinstance(s, CubeSource)]
        within = np.timedelta64(timedelta(days=loading.within))
        return layers.beside(mine, self.beside[name], loading.chip_size, within)

    def _by_time(self, source: int, slots: Ints) -> Ints:
        return slots[np.argsort(self.sources[source].slots.time[slots], kind="stable")]

    def _told(self, want: Want, kept: Sequence[int], loading: Loading) -> dict[str, Any]:
        """Return what is known of each sample beside its pixels."""
        each = np.repeat(np.asarray(kept, np.int64), loading.crops)
        chips = Chips(*(part[each] for part in want.chips))
        slots = want.slots[each] if loading.dates > 1 else want.slots[each, 0]
        times = self._known("time", chips.source, slots)
        samples = [k * loading.crops + n for k in kept for n in range(loading.crops)]
        first = self.sources[0]
        names = {k: self.chip_id(want.chips, k, int(want.slots[k, 0])) for k in dict.fromkeys(kept)}
        return {
            "sensor": first.sensor,
            "bands": first.bands,
            "chipid": [names[k] for k in each.tolist()],
            "tile": [self.sources[s].name for s in chips.source.tolist()],
            "platform": self._known("platform", chips.source, slots).tolist(),
            "slot": slots,
            "datetime": times,
            "time": time_encoding(times),
            "latlon": place_encoding(self._centres(chips, want.corners[samples], loading)),
            "gsd": first.gsd,
            "wavelengths": first.wavelengths,
        }

    def _of(self, other: str) -> dict[str, Any]:
        """Return what is known of another sensor beside."""
        source = self.beside[other][0]
        return {"bands": source.bands, "gsd": source.gsd, "wavelengths": source.wavelengths}

    def _known(self, name: str, sources: Ints, slots: Ints) -> NDArray[Any]:
        """Return what sources know of slots."""
        found = np.empty(slots.shape, "M8[us]" if name == "time" else object)
        for source in np.unique(sources):
            mine = sources == source
            found[mine] = np.asarray(getattr(self.sources[source].slots, name))[slots[mine]]
        return found

    def _centres(
        self, chips: Chips, corners: NDArray[np.int64], loading: Loading
    ) -> NDArray[np.float64]:
        """Return longitude and latitude of the middle of each sample."""
        half = (loading.crop or loading.chip_size) / 2
        places = np.empty((len(chips.source), 2))
        for source in np.unique(chips.source):
            mine = chips.source == source
            y, x = chips.y[mine] + corners[mine, 0], chips.x[mine] + corners[mine, 1]
            places[mine] = self.sources[source].lonlat(chips.slot[mine], y + half, x + half)
        return places

    def _vectors(
        self, name: str, want: Want, kept: Sequence[int], loading: Loading
    ) -> NDArray[np.float32]:
        """Return the vectors that the cube holds of each chip; NaN where it has none."""
        each = np.repeat(np.asarray(kept, np.int64), loading.crops)
        found: NDArray[np.float32] | None = None
        for number in np.unique(want.chips.source[each]):
            mine = np.flatnonzero(want.chips.source[each] == number)
            source, grid = self.sources[number], self.selection.grids[number]
            assert isinstance(source, CubeSource)  # noqa: S101 - patch sets have no chips' vectors
            complete = commits_of(source.root.attributes[COMPUTED][name])
            slots = want.slots[each[mine], 0]
            dimensions = source.root.arrays[name]["shape"][-1]
            if found is None:
                found = np.full((len(each), dimensions), np.nan, np.float32)
            mine, slots = (
                mine[np.isin(slots, list(complete))],
                slots[np.isin(slots, list(complete))],
            )
            rows = np.searchsorted(grid.rows, want.chips.y[each[mine]])
            columns = np.searchsorted(grid.columns, want.chips.x[each[mine]])
            if len(mine):
                found[mine] = embeddings.of_chips(source.cube, name, slots, rows, columns)
        return np.empty((0, 0), np.float32) if found is None else found


def _drawn(choice: Ints, own: int, draw: np.uint64, loading: Loading) -> Ints:
    """Return as many slots as dates: the chip's own, unless jitter, and others of its place."""
    left = np.sort(choice)
    taken = [] if loading.jitter else [own]
    left = left if loading.jitter else left[left != own]
    for turn in range(len(taken), loading.dates):
        pick = int(numbers(np.array([draw]), Purpose.SLOT + turn, len(left))[0])
        taken.append(int(left[pick]))
        left = np.delete(left, pick)
    return np.array(taken, np.int64)

"""v1.1 as it was published: ``SPLIT/SENSOR/ssl4eos12_SPLIT_seasonal_data_000001.zarr.zip``.

Each holds 64 patches of one sensor, ``bands (sample, time, band, y, x)``, and the files of one
number hold the same patches of every sensor in the same order. They are decoded as their chunks
hold them: 64 patches of all sensors are 1 GB.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cubestore_pipelines.benchmarks.ssl4eo.offset import NONE, V11, compared
from cubestore_pipelines.benchmarks.ssl4eo.patch import Acquisition, Patch, Plane
from cubestore_pipelines.benchmarks.ssl4eo.published import SEASONS, SIDE, SPLITS, Modality
from cubestore_pipelines.benchmarks.ssl4eo.zipped import REMEDY, opened, readable
from cubestore_pipelines.errors import DatasetError

ENDING = ".zarr.zip"
PIXELS, MASK = ("sample", "time", "band", "y", "x"), ("sample", "time", "y", "x")
NEEDED: Mapping[str, tuple[str, ...]] = {
    "bands": PIXELS,
    **dict.fromkeys(("file_id", "sample_id", "time_"), ("sample", "time")),
    **dict.fromkeys(("center_lon", "center_lat", "crs"), ("sample",)),
    "x_": ("sample", "x"),
    "y_": ("sample", "y"),
}
"""The arrays of every file, of which every chunk is there, and their dims."""

AT_ONCE = 16
"""Patches that are decoded at once, where chunks hold no more."""


class ChunkFiles:
    """The patches of v1.1: of the training files, then of the validation's, in their order."""

    def __init__(self, source: Path, modalities: Sequence[Modality]) -> None:
        """List the files, and look at the metadata of each; no pixel is read.

        Raises:
            DatasetError: a file that a sensor lacks, or that is not as it was published.
        """
        self.source, self.modalities = source, modalities
        self.names = [(split, n) for split in SPLITS for n in self._names(split)]
        if not self.names:
            raise DatasetError(
                f"{source} has no {ENDING} of {', '.join(m.name for m in modalities)}",
                expected="train/S2L1C/ssl4eos12_train_seasonal_data_000001.zarr.zip, and so on",
                remedy="fetch them, or give the folder that has train and val in it",
            )
        others = sorted({p.name for split in SPLITS for p in (source / split).glob("*/")})
        mine = {m.name for m in modalities}
        self.not_part = tuple(f"{name}: not imported" for name in others if name not in mine)
        self.count = sum(self._looked_at(split, name) for split, name in self.names)

    def _names(self, split: str) -> list[str]:
        """Return the files of a split, refused where sensors have different ones."""
        folders = [self.source / split / m.name for m in self.modalities]
        if not any(folder.is_dir() for folder in folders):
            return []
        names = [{path.name for path in folder.glob(f"*{ENDING}")} for folder in folders]
        everywhere = {name for name in names[0] if all(name in some for some in names)}
        lacking = sorted({name for some in names for name in some} - everywhere)
        if lacking:
            raise DatasetError(
                f"{split}/*/{lacking[0]} is not there for every sensor",
                expected=f"the same files in {', '.join(m.name for m in self.modalities)}",
                remedy="fetch it, or choose sensors with --modality",
            )
        return sorted(names[0])

    def _looked_at(self, split: str, name: str) -> int:
        counts = set()
        for modality in self.modalities:
            path = self.source / split / modality.name / name
            with opened(path, NEEDED) as data:
                _refuse_other_layout(data, modality, path)
                counts.add(data.sizes["sample"])
        if len(counts) > 1:
            raise _unlike(f"{split}/*/{name}", f"{sorted(counts)} patches")
        return counts.pop()

    def files(self, count: int) -> Iterator[Path]:
        """Yield all files, whichever of them the first patches are in."""
        del count
        for split, name in self.names:
            yield from (self.source / split / m.name / name for m in self.modalities)

    def patches(self, count: int) -> Iterator[Patch]:
        """Yield the first patches.

        Raises:
            DatasetError: a file that is broken, or whose rows are of several patches.
        """
        yield from islice(self._all(), count)

    def _all(self) -> Iterator[Patch]:
        for split, name in self.names:
            yield from self._of_file(split, name)

    def _of_file(self, split: str, name: str) -> Iterator[Patch]:
        paths = {m: self.source / split / m.name / name for m in self.modalities}
        with ExitStack() as stack:
            found = {m: stack.enter_context(opened(p, NEEDED)) for m, p in paths.items()}
            first = found[self.modalities[0]]
            told = {m: _Told(data, paths[m]) for m, data in found.items()}
            samples = [one.samples for one in told.values()]
            if any(some != samples[0] for some in samples):
                raise _unlike(f"{split}/*/{name}", "other patches, or another order")
            count, chunk = first.sizes["sample"], first.bands.encoding["chunks"][0]
            size = -(-AT_ONCE // chunk) * chunk
            for begin in range(0, count, size):
                rows = slice(begin, min(begin + size, count))
                pixels = {m: _decoded(data, rows, paths[m]) for m, data in found.items()}
                for row in range(rows.start, rows.stop):
                    mine = {m: {n: v[row - begin] for n, v in p.items()} for m, p in pixels.items()}
                    yield self._patch(split, row, told, mine)

    def _patch(
        self,
        split: str,
        row: int,
        told: Mapping[Modality, "_Told"],
        pixels: Mapping[Modality, Mapping[str, Plane]],
    ) -> Patch:
        first = told[self.modalities[0]]
        return Patch(
            patch_id=first.samples[row],
            longitude=float(first.known["center_lon"][row]),
            latitude=float(first.known["center_lat"][row]),
            crs=f"EPSG:{int(first.known['crs'][row])}",
            transform=first.transform(row),
            split=split,
            row=f"{first.path}, sample {row}",
            seasons={m.name: _acquisitions(m, told[m], row, pixels[m]) for m in self.modalities},
        )


class _Told:
    """What a file tells of its patches beside their pixels."""

    def __init__(self, data: xr.Dataset, path: Path) -> None:
        self.path = path
        with readable(path):
            self.samples = [str(name) for name in data["sample"].values]
            self.known = {name: data[name].values for name in NEEDED if name != "bands"}
        for row, name in enumerate(self.samples):
            ids = [str(one) for one in self.known["sample_id"][row]]
            if ids != [f"{name}_{season}" for season in range(SEASONS)]:
                raise DatasetError(
                    f"{path}, sample {row}: {name} has sample_id {ids}",
                    expected=f"{name}_0 to {name}_{SEASONS - 1}",
                    remedy=REMEDY,
                )

    def times(self, row: int) -> list[np.datetime64]:
        """Return when a patch was seen, refused where that is not in order."""
        times = list(self.known["time_"][row].astype("M8[us]"))
        if np.isnat(times).any() or times != sorted(times):
            raise DatasetError(
                f"{self.path}, sample {row}: {self.samples[row]} has times {times}",
                expected="four times, in order",
                remedy=REMEDY,
            )
        return times

    def transform(self, row: int) -> tuple[float, ...]:
        """Return a b c d e f of a patch's pixels; its coordinates are their middles."""
        x, y = self.known["x_"][row], self.known["y_"][row]
        a, e = ((n[-1] - n[0]) / (len(n) - 1) for n in (x, y))
        if not (np.isfinite([a, e]).all() and a > 0 > e):
            raise DatasetError(
                f"{self.path}, sample {row}: x_ from {x[0]} to {x[-1]}, y_ from {y[0]} to {y[-1]}",
                expected="x to the east, y to the south",
                remedy=REMEDY,
            )
        return float(a), 0.0, float(x[0] - a / 2), 0.0, float(e), float(y[0] - e / 2)


def _refuse_other_layout(data: xr.Dataset, modality: Modality, path: Path) -> None:
    needed = {**NEEDED, "sample": ("sample",), "band": ("band",)}
    needed |= {"cloud_mask": MASK} if modality.optical else {}
    for name, dims in needed.items():
        if name not in data.variables or data[name].dims != dims:
            odd = f"{name} on {data[name].dims}" if name in data.variables else f"no {name}"
            raise DatasetError(f"{path} has {odd}", expected=f"it on {dims}", remedy=REMEDY)
    with readable(path):
        bands = tuple(str(name) for name in data["band"].values)
    dtypes = {"bands": modality.dtype.name, "crs": "int64"}
    dtypes |= {"cloud_mask": "uint8"} if modality.optical else {}
    found = data["bands"].shape[1:], bands, {name: data[name].dtype.name for name in dtypes}
    wanted = (SEASONS, len(modality.files), SIDE, SIDE), modality.files, dtypes
    if found != wanted:
        raise DatasetError(f"{path} holds {found}", expected=f"{wanted}", remedy=REMEDY)


def _decoded(data: xr.Dataset, rows: slice, path: Path) -> dict[str, Any]:
    """Return the pixels of some patches, and their cloud masks where there are any."""
    names = [name for name in ("bands", "cloud_mask") if name in data.variables]
    with readable(path):
        return {name: data[name][rows].values for name in names}


def _acquisitions(
    modality: Modality, told: _Told, row: int, pixels: Mapping[str, Plane]
) -> tuple[Acquisition, ...]:
    made = []
    for season, time in enumerate(told.times(row)):
        item = str(told.known["file_id"][row, season])
        names = (band.name for band in modality.bands)
        planes = dict(zip(names, pixels["bands"][season], strict=True))
        known = {} if modality.optical else {"platform": f"sentinel-{item[1:3].lower()}"}
        made.append(
            Acquisition(
                item_id=item,
                time=time,
                planes=planes,
                known=known,
                excess=compared(V11, modality.sensor, planes) if modality.optical else NONE,
                cloud_mask=pixels["cloud_mask"][season] if "cloud_mask" in pixels else None,
            )
        )
    return tuple(made)


def _unlike(files: str, found: str) -> DatasetError:
    return DatasetError(
        f"{files}: the sensors have {found}",
        expected="the same patches in every sensor's file of one number",
        remedy="fetch the files again",
    )

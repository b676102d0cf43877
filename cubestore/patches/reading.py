"""A patch set as it was committed: opened, described, and compared with its record."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from cubestore import disk, layout, reader
from cubestore.encoding import Array
from cubestore.errors import FormatError, UnknownPatchSetError
from cubestore.patches.definition import PATCHES
from cubestore.recorded import history_afar
from cubestore.records import METADATA, Control, Record, Root
from cubestore.verify import (
    Finding,
    Report,
    _ahead,
    _blocks,
    _metadata,
    _records,
    _strangers,
    settled,
)


@dataclass(frozen=True, slots=True)
class PatchSet:
    """A benchmark that came as patches: one Zarr v3 group; its pixels are written once."""

    store: str
    """Path or address of the store."""

    name: str
    """``DATASET/PART``."""

    @property
    def path(self) -> str:
        """Path or address of the group; ``xarray.open_zarr`` opens it."""
        return "/".join([self.store.rstrip("/"), PATCHES, self.name])

    @property
    def control(self) -> Control:
        """Where the set's lock and records lie: beside it.

        Raises:
            NotWritableError: the store is not on a file system.
        """
        return Control(
            disk.path_of(self.path), Path(self.store, PATCHES, layout.CONTROL, self.name)
        )

    def root(self) -> Root:
        """Return the committed state.

        Raises:
            UnknownPatchSetError: there is none.
            FormatError: a set of another format, or none of ours.
        """
        try:
            data = reader.read(f"{self.path}/{METADATA}")
        except FileNotFoundError:
            raise UnknownPatchSetError(
                f"{self.store} has no patch set {self.name}",
                expected="one of Store.patch_sets()",
                remedy="import it, or write it with Store.create_patches",
            ) from None
        root = Root.parse(data, f"{self.path}/{METADATA}")
        found = root.attributes.get("cubestore:format"), root.attributes.get("cubestore:patches")
        if found != (layout.FORMAT, self.name):
            raise FormatError(
                f"{self.path} is of format {found[0]}, and calls itself {found[1]}",
                expected=f"format {layout.FORMAT}, where it was written",
                remedy="read it with a version of cubestore that knows it; plain xarray may too",
            )
        return root

    def records(self, root: Root | None = None) -> Iterator[Record]:
        """Yield the records of the set, the newest first, wherever the store lies.

        Raises:
            DamagedError: one is not the one that was committed.
            FileNotFoundError: a copy of the store on another machine lacks them.
        """
        newest = self.root() if root is None else root
        if "://" not in self.store:
            return self.control.history(newest)
        folder = f"{self.store.rstrip('/')}/{PATCHES}/{layout.CONTROL}/{self.name}/commits"
        return history_afar(folder, newest)

    def open(
        self, *, chunks: Mapping[str, int] | None = None, mask_and_scale: bool = True
    ) -> xr.Dataset:
        """Open the set; nothing is read but what is known of the patches.

        Args:
            chunks: dask chunks along each dim, whole shards where nothing is said; None: lazy
                without dask.
            mask_and_scale: physical values with NaN, float32; False: as stored.

        Returns:
            Dims ``(patch, [season,] band, y, x)``, one variable a sensor, mask or label; vectors
            on ``(patch, feature_MODEL)``.
        """
        root = self.root()
        dataset = reader.dataset(self.path, root, mask_and_scale=mask_and_scale)
        listed = " ".join(d["attributes"].get("coordinates", "") for d in root.arrays.values())
        listed += " " + dataset.attrs.pop("coordinates", "")
        dataset = dataset.set_coords(sorted(set(listed.split())))
        for name in dataset.coords:
            dataset[name].attrs.pop("_FillValue", None)
        return dataset if chunks is None else reader.chunked(dataset, chunks)

    def verify(self) -> Report:
        """Compare every byte with the records of the set.

        Raises:
            UnknownPatchSetError: nothing was committed here.
        """
        return settled(self.control, lambda _: self._looked())

    def _looked(self) -> Report:
        control = self.control
        try:
            root = Root.read(control.group)
        except FormatError as error:
            return _report(self.path, Finding(METADATA, "damaged", str(error)))
        if root is None and control.staging.is_dir() and any(control.staging.iterdir()):
            text = "it is being written, or that was cut short: the next writer starts anew"
            return _report(self.path, Finding(METADATA, "unfinished", text))
        if root is None and control.record_path(0).exists():
            return _report(self.path, Finding(METADATA, "missing", "it was committed, and is gone"))
        return _compared(self.path, control, root or self.root())

    def info(self) -> dict[str, Any]:
        """Return what the set holds, for people and as JSON."""
        root, data = self.root(), self.open()
        newest = self.control.record(root.number, root.digest) if "://" not in self.path else None
        bands = {n: [str(b) for b in a.values] for n, a in data.coords.items() if _is_band(n)}
        return {
            "name": self.name,
            "path": self.path,
            "title": root.attributes["title"],
            "patches": int(data.sizes["patch"]),
            "variables": {
                str(name): {
                    "dims": list(map(str, array.dims)),
                    "shape": list(array.shape[1:]),
                    "dtype": root.arrays[str(name)]["data_type"],
                    "bands": next((bands[d] for d in array.dims if d in bands), []),
                    **({"model": array.source_model} if "source_model" in array.attrs else {}),
                }
                for name, array in data.data_vars.items()
            },
            "columns": sorted(str(n) for n, a in data.coords.items() if "patch" in a.dims),
            "splits": dict(sorted(Counter(data.split.values.tolist()).items())),
            "attribution": root.attributes["attribution"],
            "license": root.attributes["license"],
            "files": newest.total_keys if newest else None,
            "bytes": newest.total_bytes if newest else None,
            "committed": newest.created if newest else None,
        }


def _is_band(name: object) -> bool:
    return str(name) == "band" or str(name).startswith("band_")


def _report(
    path: str, *findings: Finding, commit: int = -1, keys: int = 0, size: int = 0
) -> Report:
    return Report(path, commit, keys, size, tuple(sorted(findings)))


def _compared(path: str, control: Control, root: Root) -> Report:
    findings: list[Finding] = []
    keys = {k: m for record in _records(control, root, findings) for k, m in record.keys.items()}
    ahead = _ahead(control, root, findings)
    findings += _metadata(control, root, under_way=bool(ahead))
    findings += _blocks(control.group, keys, ahead)
    findings += _strangers(control.group, root, keys, ahead)
    if not findings:
        findings += _contents(control.group, root)
    size = sum(size for size, *_ in keys.values())
    return _report(path, *findings, commit=root.number, keys=len(keys), size=size)


def _contents(group: Path, root: Root) -> Iterator[Finding]:
    """What the columns claim, where their bytes are right."""
    arrays = {n: Array.from_document(n, d) for n, d in root.arrays.items()}
    names, longitude, latitude = (
        arrays[n].assemble(lambda key: (group / key).read_bytes())
        for n in ("patch_id", "longitude", "latitude")
    )
    if len(np.unique(names)) < len(names):
        yield Finding("patch_id", "damaged", "one stands there twice")
    if not ((np.abs(longitude) <= 180).all() and (np.abs(latitude) <= 90).all()):  # noqa: PLR2004
        yield Finding("longitude", "damaged", "a patch lies nowhere on earth")
    if len({a.shape[0] for a in arrays.values() if a.dims[:1] == ("patch",)}) > 1:
        yield Finding(METADATA, "damaged", "its variables are not of the same patches")

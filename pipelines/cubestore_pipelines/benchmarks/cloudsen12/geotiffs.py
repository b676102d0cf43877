"""The layout of a folder a patch: ``ROI_1746/cloudy/S2L1C.tif``, labels beside it or below.

Every patch is to have the bands and labels of the first one. A set takes the files' own pixels;
labels that came as floats become the codes that they are, and nodata 255.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import Transformer

from cubestore_pipelines.benchmarks.cloudsen12.files import L1C, L2A, Plane
from cubestore_pipelines.benchmarks.cloudsen12.headers import (
    ENDING,
    MANY,
    Band,
    bands_of,
    tif,
    unlike,
)
from cubestore_pipelines.benchmarks.cloudsen12.labels import LABELS, NO_LABEL
from cubestore_pipelines.benchmarks.cloudsen12.metadata import Row

COVERAGES = ("clear", "cloud-free", "almost-clear", "low-cloudy", "mid-cloudy", "cloudy")
"""How cloudy an image is, as folders are called (cloudsen12/figures)."""

Values = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """The folders of patches below one folder."""

    path: Path
    folders: tuple[Path, ...]
    bands: Mapping[Plane, Band]
    """Of the first patch, and of all."""

    ignored: tuple[str, ...]

    @property
    def name(self) -> str:
        """None: such a layout does not tell its split."""
        return ""

    @property
    def size(self) -> int:
        """Pixels along a patch's side."""
        return next(iter(self.bands.values())).shape[0]

    @property
    def dtypes(self) -> dict[Plane, np.dtype[Any]]:
        """What there is, and as what."""
        return {one: band.dtype for one, band in self.bands.items()}

    @property
    def rows(self) -> list[Row]:
        """What the folders' names tell of each patch."""
        return [Row(folder, 0, _cells(folder)) for folder in self.folders]

    @property
    def names(self) -> list[str]:
        """The folders' own."""
        return [folder.relative_to(self.path).as_posix() for folder in self.folders]

    def files(self) -> Iterator[Path]:
        """Yield the files that are read."""
        names = sorted({band.file for band in self.bands.values()})
        return (folder / name for folder in self.folders for name in names)

    def places(self) -> dict[str, Values]:
        """Return where each patch lies: longitude, latitude, crs, transform.

        Raises:
            DatasetError: a file without CRS.
        """
        file = next(iter(self.bands.values())).file
        found = [_place(folder / file) for folder in self.folders]
        centres = np.array([centre for centre, *_ in found])
        return {
            "longitude": centres[:, 0],
            "latitude": centres[:, 1],
            "crs": np.array([crs for _, crs, _ in found], object),
            "transform": np.array([grid for *_, grid in found]),
        }

    def where(self, variable: str, patch: int) -> str:
        """Return the file of a patch."""
        file = next(b.file for one, b in self.bands.items() if one.variable == variable)
        return str(self.folders[patch] / file)

    def read(self, first: int, count: int) -> Iterator[tuple[Plane, Values]]:
        """Yield the images of each plane, ``(patch, y, x)``.

        Raises:
            DatasetError: a file that is missing, or not as the first patch's.
        """
        folders = self.folders[first : first + count]
        for file in dict.fromkeys(band.file for band in self.bands.values()):
            mine = {one: band for one, band in self.bands.items() if band.file == file}
            images = np.stack([_images(folder / file, mine) for folder in folders])
            for k, one in enumerate(mine):
                yield one, images[:, k]

    def published(self) -> dict[str, Any]:
        """Return what the files were."""
        files = sorted({band.file for band in self.bands.values()})
        return {"layout": "geotiff", "patches": len(self.folders), "files": files}


def open_patches(path: Path, *, bands: Sequence[str] | None) -> Patches:
    """Find the patches below a folder, and check each against the first.

    Args:
        path: the folder.
        bands: of Sentinel-2, those that are taken; None: all that the first patch has.

    Raises:
        DatasetError: patches that lack a file or band, or have another size.
    """
    first, *others = folders = tuple(sorted({file.parent for file in _images_below(path)}))
    found, ignored = bands_of(first)
    wanted = {one: b for one, b in found.items() if bands is None or _is_wanted(one, bands)}
    made = Patches(path=path, folders=folders, bands=wanted, ignored=tuple(ignored))
    missing = sorted(set(bands or ()) - {one.band for one in wanted})
    odd = [b for b in wanted.values() if b.shape != (made.size, made.size)]
    if odd:
        raise unlike(first / odd[0].file, f"{odd[0].shape} pixels", "one size, in all files")
    if missing:
        raise unlike(first, f"no {missing[0]}", ", ".join(one.band for one in found if one.band))
    for folder in others:
        _refuse_unlike(folder, wanted, found)
    return made


def is_geotiffs(path: Path) -> bool:
    """Return whether folders of patches lie below a folder."""
    return any(True for _ in _images_below(path))


def _images_below(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob(f"*{ENDING}") if file.stem.lower() in MANY)


def _is_wanted(one: Plane, bands: Sequence[str]) -> bool:
    return one.variable not in {L1C, L2A} or one.band in bands


def _refuse_unlike(folder: Path, wanted: Mapping[Plane, Band], found: Mapping[Plane, Band]) -> None:
    mine, _ = bands_of(folder)
    for one, band in wanted.items():
        if mine.get(one) != band:
            held = mine.get(one)
            raise unlike(
                folder / band.file,
                f"{one} of {held.dtype} and {held.shape} pixels" if held else f"no {one}",
                f"{one} of {band.dtype} and {band.shape} pixels, as the first patch",
            )
    more = [one for one in mine if one not in found]
    if more:
        raise unlike(folder / mine[more[0]].file, f"{more[0]}", "what the first patch has")


def _images(file: Path, bands: Mapping[Plane, Band]) -> Values:
    with tif(file) as data:
        images: Values = data.read([band.index for band in bands.values()])
        (one,) = {plane.variable for plane in bands}
        if one not in LABELS:
            return images
        return _codes(images, data.nodata, next(iter(bands.values())).dtype, file)


def _codes(images: Values, nodata: float | None, dtype: np.dtype[Any], file: Path) -> Values:
    if images.dtype.itemsize == dtype.itemsize and images.dtype.kind in "iu":
        return images.view(dtype)
    nothing = np.isnan(images) if nodata is None else images == np.asarray(nodata, images.dtype)
    codes = np.where(nothing | np.isnan(images), NO_LABEL, images)
    whole = (codes >= 0) & (codes <= np.iinfo(dtype).max) & (codes == np.floor(codes))
    if not whole.all():
        raise unlike(file, f"the label {codes[~whole][0]:g}", f"codes as in {dtype}, or nodata")
    return codes.astype(dtype)


def _place(file: Path) -> tuple[tuple[float, float], str, list[float]]:
    with tif(file) as data:
        if data.crs is None or data.crs.to_epsg() is None:
            raise unlike(file, "no CRS that is in EPSG's list", "that of a UTM zone")
        crs, (a, b, c, d, e, f, *_) = f"EPSG:{data.crs.to_epsg()}", data.transform
        across, down = data.width / 2, data.height / 2
    x, y = a * across + b * down + c, d * across + e * down + f
    centre = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(x, y)
    return centre, crs, [a, b, c, d, e, f]


def _cells(folder: Path) -> dict[str, str]:
    region = next((part for part in folder.parts[::-1] if part.upper().startswith("ROI_")), "")
    return {
        "roi_id": region,
        "cloud_coverage": folder.name if folder.name in COVERAGES else "",
    }

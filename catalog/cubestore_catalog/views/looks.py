"""How numbers become colours: which bands or index, between which values, in which colours."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cubestore_catalog.errors import RequestError
from cubestore_catalog.views import colormaps
from cubestore_catalog.views.opened import OpenedCube, band_numbers

Range = tuple[float, float]
Values = NDArray[np.float32]
Mask = NDArray[np.bool_]

DEFAULT_SIZE, MOST_SIZE = 512, 2048
"""Pixels along the longer side of a picture: unless told, and the most."""

TRUE_COLOUR = ("red", "green", "blue")

REFLECTANCE: Range = (0.0, 0.3)
"""Land is rarely brighter than that; clouds and snow are white."""

BRIGHTNESS: Range = (0.0, 255.0)
BACKSCATTER: tuple[Range, ...] = ((0.0, 0.3), (0.0, 0.08), (0.0, 0.3))
"""Linear gamma0 of VV, VH and VV again: woods are light, water is dark, towns are pink."""

INDICES: Mapping[str, tuple[str, str]] = {
    "ndvi": ("nir", "red"),  # Rouse et al. 1974
    "ndwi": ("green", "nir"),  # McFeeters 1996
    "ndmi": ("nir", "swir16"),  # Gao 1996
    "ndsi": ("green", "swir16"),  # Hall et al. 1995
    "nbr": ("nir", "swir22"),  # Key and Benson 2006
}
"""Normalised differences, (a - b) / (a + b), of bands by their common names."""

OF_INDEX: Range = (-1.0, 1.0)

STAND_INS: Mapping[str, str] = {"nir": "nir08"}
"""What Landsat and MODIS have where Sentinel-2 has both."""

PERCENTILES = (2.0, 98.0)
"""Between which numbers are drawn of which nothing is known, of those in the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a picture shows of a slot; the fields that are left out mean: as its sensor looks."""

    bands: tuple[str, ...] = ()
    """One, or those that are to be red, green and blue."""

    index: str = ""
    """Instead of bands: one of `INDICES`."""

    rescale: tuple[Range, ...] = ()
    """What is dark and what is bright, once or for each band."""

    colormap: str = ""
    """For one band or an index."""

    size: int = DEFAULT_SIZE

    def __post_init__(self) -> None:
        if self.bands and self.index:
            raise RequestError("Both bands and index are given", expected="one of them")
        if self.index not in {"", *INDICES}:
            raise _wrong("index", self.index, ", ".join(INDICES))
        if len(self.bands) not in {0, 1, 3}:
            raise _wrong("bands", ",".join(self.bands), "one band, or three")
        if self.colormap not in {"", *colormaps.NAMES}:
            raise _wrong("colormap", self.colormap, ", ".join(colormaps.NAMES))
        if self.colormap and len(self.bands) == len(TRUE_COLOUR):
            raise RequestError("A colormap and three bands are given", expected="one band for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A look at one cube: which of its bands are read, and what is done with them."""

    bands: tuple[int, ...]
    """By index."""

    is_index: bool = False
    rescale: tuple[Range, ...] = ()
    """Once, or once for each band; none: `PERCENTILES` of what is drawn."""

    colormap: str = "gray"
    """For one channel."""

    def paint(self, values: Values) -> NDArray[np.uint8]:
        """Return the colours of physical values, transparent where a band has none.

        Args:
            values: ``(bands, y, x)``, NaN where there is no data.

        Returns:
            ``(y, x, 4)``: red, green, blue, opacity.
        """
        channels = _difference(*values)[None] if self.is_index else values
        known = np.logical_and.reduce(np.isfinite(channels), axis=0)
        if self.colormap in colormaps.CLASSES:
            colours, has_one = colormaps.classified(channels[0], self.colormap)
            return _with_opacity(colours, known & has_one)
        shares = [
            _share(c, r, known) for c, r in zip(channels, self._ranges(channels), strict=True)
        ]
        if len(shares) == 1:
            return _with_opacity(colormaps.ramped(shares[0], self.colormap), known)
        colours = (np.stack(shares, axis=-1) * 255).round().astype(np.uint8)
        return _with_opacity(colours, known)

    def _ranges(self, channels: Values) -> list[Range | None]:
        given: list[Range | None] = [*self.rescale] or [None]
        return given * len(channels) if len(given) == 1 else given


def drawing(opened: OpenedCube, look: Look) -> Drawing:
    """Return how a cube is drawn that is looked at in some way.

    Raises:
        RequestError: bands that it lacks, or limits that are not one for each.
    """
    if look.index:
        bands = _of_common_names(opened, INDICES[look.index], look.index)
        map_ = look.colormap or "rdylgn"
        made = Drawing(bands=bands, is_index=True, rescale=(OF_INDEX,), colormap=map_)
    elif look.bands:
        bands = tuple(band_numbers(opened, look.bands))
        made = Drawing(bands=bands, colormap=look.colormap or _ramp(opened))
    else:
        made = natural(opened, look.colormap)
    channels = 1 if made.is_index else len(made.bands)
    if len(look.rescale) not in {0, 1, channels}:
        raise RequestError(
            f"The parameter rescale has {len(look.rescale)} parts",
            expected=f"one, or one for each of {channels} bands with ; between",
        )
    rescale = look.rescale or made.rescale
    return Drawing(
        bands=made.bands, is_index=made.is_index, rescale=rescale, colormap=made.colormap
    )


def natural(opened: OpenedCube, colormap: str = "") -> Drawing:
    """Return how a sensor's cubes look by themselves: true colour where it has the colours."""
    variable = opened.pixels.array.name
    common = opened.known.common_name.values.tolist()
    names = opened.known.band.values.tolist()
    if not colormap and set(TRUE_COLOUR) <= set(common):
        rescale = BRIGHTNESS if variable == "brightness" else REFLECTANCE
        return Drawing(bands=tuple(map(common.index, TRUE_COLOUR)), rescale=(rescale,))
    if not colormap and {"vv", "vh"} <= set(names):
        return Drawing(bands=tuple(map(names.index, ("vv", "vh", "vv"))), rescale=BACKSCATTER)
    return Drawing(bands=(0,), colormap=colormap or _ramp(opened))


def _ramp(opened: OpenedCube) -> str:
    ramps = {"elevation": "terrain", "land_cover": "worldcover"}
    return ramps.get(opened.pixels.array.name, "gray")


def _of_common_names(opened: OpenedCube, names: tuple[str, str], index: str) -> tuple[int, ...]:
    common = opened.known.common_name.values.tolist()
    found = [name if name in common else STAND_INS.get(name, "") for name in names]
    if not set(found) <= set(common) - {""}:
        raise RequestError(
            f"{opened.cube.sensor.id} here has no {index}", expected=f"bands {' and '.join(names)}"
        )
    return tuple(map(common.index, found))


def _difference(a: Values, b: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Values = (a - b) / (a + b)
    return found


def _share(values: Values, limits: Range | None, known: Mask) -> NDArray[np.float64]:
    """Return numbers as parts of the way from dark to bright, 0 where there is none."""
    if limits is None:
        limits = _percentiles(values[known])
    low, high = limits
    share = (values.astype(float) - low) / ((high - low) or 1.0)
    return np.where(known, np.clip(share, 0, 1), 0)


def _percentiles(values: Values) -> Range:
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, PERCENTILES).tolist()
    return low, high


def _with_opacity(colours: NDArray[np.uint8], known: Mask) -> NDArray[np.uint8]:
    opacity = np.where(known, 255, 0).astype(np.uint8)[..., None]
    return np.concatenate([colours * known[..., None], opacity], axis=-1)


def _wrong(name: str, found: str, expected: str) -> RequestError:
    return RequestError(f"The parameter {name} is {found!r:.80}", expected=expected)

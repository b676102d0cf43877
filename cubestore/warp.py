"""Pixels of one grid on another: exact places, one pass, and data that never mix with none.

Nearest takes the pixel that contains a target's centre. Bilinear and cubic (Keys, a = -1/2) go by
the distances to the centres around it; pixels without data have no weight, and the others' are
raised to make up one. Where one of cubic's sixteen has no data, or lies outside, it is bilinear.
Whatever the method, there is data where the pixel that contains the centre has some, and
nowhere else.

Where a target's pixel spans two or more of the source, bilinear and cubic would see too few of
them: the source is averaged first, k x k pixels that have data, k being the scale rounded down,
in blocks that are the target's pixels where those nest, and else counted from the origin of the
source's CRS. Nearest never is.

Values for integers are rounded, half away from zero, and held in their type's range; integers
beyond 2^53 lose digits there. An interpolated value that would be nodata becomes the one after
it, or before where it is the type's last. Where there is a nodata value, NaN and infinities are no
data either.
"""

import math
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from cubestore import kernels
from cubestore.errors import MismatchError
from cubestore.kernels import Lattice, Rule
from cubestore.lattice import bounds, coordinates, lattice, offline, through, transformer

__all__ = ["Lattice", "coordinates", "lattice", "operation", "source_window", "warp"]

Resampling = Literal["nearest", "bilinear", "cubic"]

REACH = {"nearest": 0, "bilinear": 1, "cubic": 2}
"""Pixels that a method looks beyond the one that contains a place."""

NEARLY = 1.01
"""What a scale is multiplied with before it is rounded down: scales of projections differ."""

SIZES = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (4, 8)}
"""Bytes of the numbers that can be warped."""

SAME = 1e-6
"""Pixels by which two sizes of pixels may differ and be the same."""

ON_EDGE = 0.25
"""Pixels by which the origin of a CRS may miss an edge, so that rounding changes no block."""

Pixels = NDArray[Any]


def warp(
    pixels: Pixels,
    source: GeoBox,
    target: GeoBox,
    *,
    resampling: Resampling = "nearest",
    nodata: float | None = None,
) -> Pixels:
    """Return the pixels of a grid on another.

    Args:
        pixels: ``(…, y, x)`` on ``source``; integers or floats.
        source: any GeoBox: rotated, south-up, in any CRS.
        target: likewise.
        resampling: ``nearest``, ``bilinear`` or ``cubic``.
        nodata: what marks pixels without data; where None, all are data.

    Returns:
        ``(…, *target.shape)`` of the same type; nodata, or 0 where it is None, outside data.

    Raises:
        MismatchError: pixels, grids, method or nodata that do not go together.
    """
    _check(pixels, source, target, resampling)
    lead, block = pixels.shape[:-2], _block(lattice(source, target), resampling)
    rule = _rule(pixels.dtype.newbyteorder("="), nodata)
    out = np.full((math.prod(lead), *target.shape), rule.nodata)
    if block != (1, 1) or not _ready(pixels):
        window = source_window(source, target, resampling=resampling)
        if window is None:
            return out.reshape(*lead, *target.shape)
        source, pixels = source[window], pixels[..., *window]
    stack = _stack(pixels)
    if resampling == "nearest":
        kernels.nearest(stack, lattice(source, target), rule, out)
    elif block == (1, 1):
        kernels.interpolate(stack, lattice(source, target), rule, out, resampling == "cubic")
    else:
        _averaged(stack, source, target, block, rule, out, cubic=resampling == "cubic")
    return out.reshape(*lead, *target.shape)


def source_window(
    source: GeoBox, target: GeoBox, *, resampling: Resampling = "nearest", padding: int = 0
) -> tuple[slice, slice] | None:
    """Return the pixels of a source that a target needs: its window yields what the whole would.

    Args:
        source: a raster's grid.
        target: where its pixels are wanted.
        resampling: how; cubic needs more of them, and so does a coarser target.
        padding: pixels that are wanted around them.

    Returns:
        Slices for ``(y, x)``; None where no pixel of the target lies in the source.
    """
    places = lattice(source, target)
    used = bounds(places, source.shape.yx)
    if used is None:
        return None
    block = _block(places, resampling)
    reach = [padding + 1 + (REACH[resampling] + (side > 1)) * side for side in block]
    (left, top), (right, bottom) = used
    spans = ((top, bottom), (left, right))
    down, along = (
        slice(max(0, math.floor(low) - more), min(size, math.floor(high) + 1 + more))
        for (low, high), more, size in zip(spans, reach, source.shape, strict=True)
    )
    return down, along


def operation(source: CRS | str, target: CRS | str, at: tuple[float, float] | None = None) -> str:
    """Return in a line how PROJ gets from places in ``target`` to places in ``source``.

    Args:
        source: the CRS of the pixels.
        target: the CRS in which they are wanted.
        at: a place in ``target``. Between some datums PROJ has a way for each region, and takes
            the one of the place; where none is given, of the middle of the CRS's area.
    """
    source, target = CRS(source), CRS(target)
    if source == target:
        return "none: one CRS"
    with offline():
        way = transformer(source, target)
        if way.accuracy < 0:  # there are several: the place decides
            way.transform(*(at or _common(source, target)))
            way = way.get_last_used_operation()
    return f"{way.description}: {way.definition}"


def _common(source: CRS, target: CRS) -> tuple[float, float]:
    """Return the middle of what the areas of use of two CRS share, in the second."""
    areas = [area for crs in (source, target) if (area := crs.proj.area_of_use)]
    west, south = (
        max([edge, *values])
        for edge, values in (
            (-180.0, [area.west for area in areas]),
            (-90.0, [area.south for area in areas]),
        )
    )
    east, north = (
        min([edge, *values])
        for edge, values in (
            (180.0, [area.east for area in areas]),
            (90.0, [area.north for area in areas]),
        )
    )
    from_lonlat = transformer(target, CRS("EPSG:4326"))
    x, y = from_lonlat.transform((west + east) / 2, (south + north) / 2)
    return float(x), float(y)


def _check(pixels: Pixels, source: GeoBox, target: GeoBox, resampling: str) -> None:
    if resampling not in REACH:
        raise MismatchError(
            f"There is no resampling {resampling!r}", expected=f"one of {', '.join(REACH)}"
        )
    if pixels.shape[-2:] != tuple(source.shape):
        raise MismatchError(
            f"Pixels are of shape {pixels.shape}",
            expected=f"(…, {source.shape[0]}, {source.shape[1]}), as their grid",
        )
    if pixels.dtype.kind not in "iuf" or pixels.dtype.itemsize not in SIZES[pixels.dtype.kind]:
        raise MismatchError(
            f"Pixels are of type {pixels.dtype}",
            expected="integers, float32 or float64",
            remedy="convert them",
        )
    if (source.crs is None) != (target.crs is None):
        raise MismatchError("One of the grids has no CRS", expected="both to have one, or none")


def _block(places: Lattice, resampling: str) -> tuple[int, int]:
    """Return how many rows and columns of a source are averaged before they are interpolated."""
    if resampling == "nearest":
        return 1, 1
    across, down = np.hypot(*places.steps.T)
    return max(1, math.floor(down * NEARLY)), max(1, math.floor(across * NEARLY))


def _averaged(
    stack: Pixels,
    source: GeoBox,
    target: GeoBox,
    block: tuple[int, int],
    rule: Rule,
    out: Pixels,
    *,
    cubic: bool,
) -> None:
    """Interpolate between averages of blocks."""
    places = lattice(source, target)
    phase = _phase(source, target, places, block)
    data = _data(stack, rule)
    shape = [-(-(n + p) // k) for n, p, k in zip(source.shape, phase, block, strict=True)]
    means, values = np.empty((len(stack), *shape)), np.full(out.shape, np.nan)
    kernels.average(stack, data, block, phase, means)
    (down, along), (y, x) = block, phase
    coarse = through(places, Affine(1 / along, 0.0, x / along, 0.0, 1 / down, y / down))
    floats = _rule(values.dtype, math.nan)._replace(masked=rule.masked)
    kernels.interpolate(means, coarse, floats, values, cubic)
    there = np.zeros(out.shape, "uint8")
    kernels.nearest(data, places, _rule(there.dtype, None), there)
    kernels.nearest(stack, places, rule, out)  # for the one that rounding puts into an empty block
    there &= ~np.isnan(values)
    kernels.store(values.ravel(), there.ravel(), rule, out.reshape(-1))


def _data(pixels: Pixels, rule: Rule) -> Pixels:
    """Return 1 where pixels are data, else 0."""
    if not rule.masked:
        return np.ones(pixels.shape, "uint8")
    finite = True if rule.whole else np.isfinite(pixels)
    data: Pixels = (pixels != rule.nodata) & finite
    return data.astype("uint8")


def _phase(
    source: GeoBox, target: GeoBox, places: Lattice, block: tuple[int, int]
) -> tuple[int, int]:
    """Return row and column, in its block, of a source's first pixel.

    Blocks are the target's pixels where those are made up of the source's. Else they are counted
    from the origin of the CRS, so that neither windows nor shards make a difference.
    """
    a, b, x, d, e, y, *_ = ~source.affine
    nested = np.allclose(np.abs(places.steps), np.diag(block[::-1]), rtol=0, atol=SAME)
    if source.crs == target.crs and nested:
        corner = target.affine.c, target.affine.f
        x, y = x + a * corner[0] + b * corner[1], y + d * corner[0] + e * corner[1]
    return math.floor(ON_EDGE - y) % block[0], math.floor(ON_EDGE - x) % block[1]


def _ready(pixels: Pixels) -> bool:
    """Tell whether compiled code takes pixels as they lie in memory."""
    return bool(pixels.flags.carray) and pixels.dtype.isnative


def _stack(pixels: Pixels) -> Pixels:
    """Return pixels as ``(band, y, x)``, as compiled code takes them."""
    stack = pixels.reshape(math.prod(pixels.shape[:-2]), *pixels.shape[-2:])
    return np.require(stack, pixels.dtype.newbyteorder("="), ["C", "A", "W"])


def _rule(dtype: np.dtype[Any], nodata: float | None) -> Rule:
    """Return what is data in pixels of a type, and how values become pixels."""
    whole = dtype.kind in "iu"
    value = _as(dtype, 0 if nodata is None else nodata)
    last = np.iinfo(dtype).max if whole else np.finfo(dtype).max
    up = value < last
    if whole:
        low, high = float(np.iinfo(dtype).min), _at_most(int(last))
        instead = dtype.type(int(value) + (1 if up else -1))
    else:
        low, high = -math.inf, math.inf
        instead = np.nextafter(value, dtype.type(math.inf if up else -math.inf))
    return Rule(nodata is not None, value, instead, whole, low, high)


def _as(dtype: np.dtype[Any], nodata: float) -> Any:  # noqa: ANN401 - of that dtype
    """Return nodata as a pixel."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            value = dtype.type(nodata)
        known = math.isfinite(value) or not math.isfinite(nodata)
    else:
        known = math.isfinite(nodata) and nodata == int(nodata)
        known = known and np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max
        value = dtype.type(int(nodata)) if known else None
    if not known:
        raise MismatchError(
            f"Nodata is {nodata}",
            expected=f"a value that {dtype} has",
            remedy="pass None: no pixel can be marked with it",
        )
    return value


def _at_most(number: int) -> float:
    """Return the greatest float that is no more than a number."""
    near = float(number)
    return near if int(near) <= number else math.nextafter(near, 0.0)

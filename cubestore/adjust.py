"""What may be done to reflectance once it is read: named functions, nothing of it stored.

    ds = store.cube("31UDQ", "sentinel-2-l2a").open()
    ds = adjust.bandpass(adjust.c_factor(ds), to="oli")

Each is a slope and an offset per slot and band, put on the pixels when they are read, and writes
what it did into the attribute ``adjustments`` of ``reflectance``. The order is that of HLS, the
Harmonized Landsat Sentinel-2 product: first the angles, then the passbands. Bands for which
nothing was published stay as they are; the attribute names those that did not.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from cubestore.errors import AdjustmentError

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Row = tuple[float, ...]
Unknown = Literal["raise", "nan"]
"""What becomes of slots of which too little is known: an error, or NaN."""

PIXELS = "reflectance"
ADJUSTMENTS = "adjustments"
"""The attribute that tells what was done, a line for each."""

SENTINEL_2, LANDSAT = "sentinel-2-l2a", "landsat-c2-l2"
"""Surface reflectance: what the numbers below were found for."""

HORIZON = 90.0
"""Zenith angle, degrees, from which on there is no sun and no view."""

CROWN_HEIGHT = 2.0
"""h/b of the Li-Sparse kernel, whose b/r is 1: Lucht, Schaaf and Strahler 2000, IEEE Transactions
on Geoscience and Remote Sensing 38(2), 977-998."""

BRDF: Mapping[str, Row] = MappingProxyType(
    {
        "coastal": (0.0774, 0.0372, 0.0079),  # blue's, as in HLS
        "blue": (0.0774, 0.0372, 0.0079),
        "green": (0.1306, 0.0580, 0.0178),
        "red": (0.1690, 0.0574, 0.0227),
        "rededge071": (0.2085, 0.0845, 0.0256),
        "rededge075": (0.2316, 0.1003, 0.0273),
        "rededge078": (0.2599, 0.1197, 0.0294),
        "nir": (0.3093, 0.1535, 0.0330),
        "nir08": (0.3093, 0.1535, 0.0330),
        "swir16": (0.3430, 0.1154, 0.0453),
        "swir22": (0.2658, 0.0639, 0.0387),
    }
)
"""STAC common name -> isotropic, volumetric and geometric weight, global means of MODIS: Roy et
al. 2016 and 2017 (red edge); NASA-IMPACT/hls-sentinel, modis_brdf_coeff.h, has the same."""

ROY = "Roy et al. 2016, RSE 176, 255-271; red edge: Roy et al. 2017, RSE 199, 25-38"

HLS_SUN_ZENITH = (31.0076, -0.1272, 0.01187, 2.40e-05, -9.48e-07, -1.95e-09, 6.15e-11)
"""Degrees, by powers of the latitude: HLS v1.4 User's Guide, view and illumination angles."""

HLS_LATITUDE = 81.3
"""Degrees that no orbit's nadir reaches beyond: NASA-IMPACT/hls-sentinel, derive_s2nbar.c."""

HLS_BANDPASS = "hls.gsfc.nasa.gov/algorithms/bandpass-adjustment; 2C: NASA-IMPACT/hls-sentinel"

_COMMON = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
_SLOPES_AND_OFFSETS = {
    "sentinel-2a": (
        (0.9959, 0.9778, 1.0053, 0.9765, 0.9983, 0.9987, 1.0030),
        (-0.0002, -0.0040, -0.0009, 0.0009, -0.0001, -0.0011, -0.0012),
    ),
    "sentinel-2b": (
        (0.9959, 0.9778, 1.0075, 0.9761, 0.9966, 1.0000, 0.9867),
        (-0.0002, -0.0040, -0.0008, 0.0010, 0.0000, -0.0003, 0.0004),
    ),
    # no guide prints these: HLS has read them from bandpass_parameter.S2C.txt since 2025-01-16
    "sentinel-2c": (
        (1.0030, 0.9851, 1.0038, 0.9718, 0.9995, 0.9994, 0.9910),
        (0.0000, -0.0027, -0.0009, 0.0011, -0.0003, -0.0007, 0.0004),
    ),
}

OLI: Mapping[str, Mapping[str, Row]] = MappingProxyType(
    {
        platform: MappingProxyType(dict(zip(_COMMON, zip(*numbers, strict=True), strict=True)))
        for platform, numbers in _SLOPES_AND_OFFSETS.items()
    }
)
"""Platform -> STAC common name (bands 1, 2, 3, 4, 8A, 11, 12) -> slope and offset of reflectance.
See `HLS_BANDPASS`."""


def c_factor(
    dataset: xr.Dataset,
    *,
    sun_zenith: float | xr.DataArray | None = None,
    unknown: Unknown = "raise",
) -> xr.Dataset:
    """Return the reflectance that a view from straight above would have (NBAR, c-factor method).

    Each slot and band is multiplied by one number: what the Ross-Thick Li-Sparse-Reciprocal model
    gives for a nadir view over what it gives for the angles in the cube's coordinates. Those are
    the scene's means; across a swath the true factor differs by some percent, and a scene that
    is nadir on average, as Landsat's are, changes only with ``sun_zenith``.

    Args:
        dataset: a cube of Sentinel-2 L2A or Landsat C2 L2, from `Cube.open`.
        sun_zenith: degrees, of the sun to normalise to, for all slots or on ``time``; None: each
            scene's own. The method is one for the view: its authors move the sun little.
        unknown: "nan" for NaN in slots that lack an angle.

    Returns:
        The dataset with another ``reflectance``, as lazy and of the dtype that it was.

    Raises:
        AdjustmentError: another sensor, stored integers, adjusted already, or a slot that lacks
            an angle: sun_elevation, view_zenith and, off nadir, both azimuths are needed.

    The view's azimuth is the direction from the ground to the satellite, as in Sentinel-2's own
    metadata; the definition of STAC's ``view:azimuth`` can be read as the opposite.
    """
    _refuse_unfit(dataset, (SENTINEL_2, LANDSAT), BRDF, once=("c_factor", "bandpass"))
    sun, view, azimuth = _angles(dataset)
    known = ~np.isnan(sun + view + azimuth)
    _refuse_unknown(dataset, known, unknown, "an angle", "the sun and view angles as coordinates")
    target = sun if sun_zenith is None else _given(sun_zenith, sun.shape)
    weights = _per_band(dataset, BRDF, (1.0, 0.0, 0.0))
    nadir, seen = _model(weights, target, 0 * sun, 0 * sun), _model(weights, sun, view, azimuth)
    whose = "each scene's own sun" if sun_zenith is None else "the sun zenith angle asked for"
    factor = nadir / seen
    return _apply(dataset, factor, 0 * factor, f"c_factor: nadir view, {whose}; {ROY}", BRDF)


def hls_sun_zenith(latitude: float) -> float:
    """Return the sun zenith angle, degrees, that HLS v1.4 normalises to, the year round.

    HLS v2.0 stays near the sun of the day instead, as `c_factor` does by default.

    Args:
        latitude: of the tile's centre, degrees.

    Raises:
        AdjustmentError: a latitude beyond 81.3 degrees.
    """
    if not abs(latitude) <= HLS_LATITUDE:
        raise AdjustmentError(
            f"A latitude of {latitude}°",
            expected=f"-{HLS_LATITUDE}° to {HLS_LATITUDE}°: no orbit's nadir goes further",
            remedy="leave sun_zenith out: each scene's own sun",
        )
    return float(np.polynomial.Polynomial(HLS_SUN_ZENITH)(latitude))


def bandpass(
    dataset: xr.Dataset, *, to: Literal["oli"] = "oli", unknown: Unknown = "raise"
) -> xr.Dataset:
    """Return Sentinel-2's reflectance as Landsat's OLI would have measured it, as HLS has it.

    B05, B06, B07 and B08 have no counterpart and stay as they are.

    Args:
        dataset: a cube of Sentinel-2 L2A, from `Cube.open`.
        to: ``oli``, the imager of Landsat 8 and 9.
        unknown: "nan" for NaN in slots of a platform without published numbers.

    Returns:
        The dataset with another ``reflectance``, as lazy and of the dtype that it was.

    Raises:
        AdjustmentError: another sensor or target, stored integers, adjusted already, or a
            platform without published numbers (2D, or not told).
    """
    if to != "oli":
        raise AdjustmentError(
            f"Passbands of {to!r}", expected="'oli'", remedy="ask for to='oli', or leave it out"
        )
    _refuse_unfit(dataset, (SENTINEL_2,), OLI["sentinel-2a"], once=("bandpass",))
    slope, offset = _per_platform(dataset)
    known = np.reshape([str(p) in OLI for p in np.ravel(dataset.platform)], dataset.platform.shape)
    _refuse_unknown(dataset, known, unknown, "published numbers", ", ".join(OLI))
    what = f"bandpass: to {to}; {HLS_BANDPASS}"
    return _apply(dataset, slope, offset, what, OLI["sentinel-2a"])


# The model.


def ross_thick(sun: Numbers, view: Numbers, azimuth: Numbers) -> Numbers:
    """Return the volumetric kernel, angles in radians: Lucht et al. 2000, equation 38."""
    cosine = _cos_phase(sun, view, azimuth)
    phase = np.arccos(cosine)
    shared = (np.pi / 2 - phase) * cosine + np.sin(phase)
    return np.asarray(shared / (np.cos(sun) + np.cos(view)) - np.pi / 4)


def li_sparse(sun: Numbers, view: Numbers, azimuth: Numbers) -> Numbers:
    """Return the geometric kernel, angles in radians: Lucht et al. 2000, equations 39 to 44."""
    secants = 1 / np.cos(sun) + 1 / np.cos(view)
    tangents = np.tan(sun) * np.tan(view)
    apart = np.tan(sun) ** 2 + np.tan(view) ** 2 - 2 * tangents * np.cos(azimuth)
    reach = np.sqrt(np.maximum(apart, 0) + (tangents * np.sin(azimuth)) ** 2)
    cosine = np.minimum(CROWN_HEIGHT * reach / secants, 1)  # beyond 1 no shadows overlap
    angle = np.arccos(cosine)
    overlap = (angle - np.sin(angle) * cosine) * secants / np.pi
    lit = (1 + _cos_phase(sun, view, azimuth)) / (2 * np.cos(sun) * np.cos(view))
    return np.asarray(overlap - secants + lit)


def _cos_phase(sun: Numbers, view: Numbers, azimuth: Numbers) -> Numbers:
    cosine = np.cos(sun) * np.cos(view) + np.sin(sun) * np.sin(view) * np.cos(azimuth)
    return np.asarray(np.clip(cosine, -1, 1))  # rounding, where the sun is behind the satellite


def _model(weights: Numbers, sun: Numbers, view: Numbers, azimuth: Numbers) -> Numbers:
    """Return the modelled reflectance by slot and band: Roy et al. 2016, equation 2."""
    kernels = np.ones_like(sun), ross_thick(sun, view, azimuth), li_sparse(sun, view, azimuth)
    return np.asarray(np.tensordot(kernels, weights, axes=(0, 0)))


# What the cube tells. Slots and bands are on time and band, or one where one was chosen.


def _angles(dataset: xr.Dataset) -> tuple[Numbers, Numbers, Numbers]:
    """Return the zenith of sun and view and the azimuth between, radians; NaN where unknown."""
    sun = _above_horizon(90 - dataset.sun_elevation.values.astype("float64"))
    view = _above_horizon(dataset.view_zenith.values.astype("float64"))
    between = dataset.sun_azimuth.values - dataset.view_azimuth.values
    return np.radians(sun), np.radians(view), np.radians(np.where(view == 0, 0.0, between))


def _above_horizon(zenith: Numbers) -> Numbers:
    return np.where((zenith >= 0) & (zenith < HORIZON), zenith, np.nan)


def _given(zenith: float | xr.DataArray, slots: tuple[int, ...]) -> Numbers:
    sun = np.radians(_above_horizon(np.asarray(zenith, "float64")))
    if np.isnan(sun).any() or sun.shape not in {(), slots}:
        raise AdjustmentError(
            f"A sun zenith angle of {np.asarray(zenith)}",
            expected=f"degrees from 0 to less than {HORIZON:.0f}, one or one for each slot",
            remedy="give the angle from the vertical: 90 less the elevation",
        )
    return np.broadcast_to(sun, slots)


def _per_band(dataset: xr.Dataset, table: Mapping[str, Row], without: Row) -> Numbers:
    """Return the numbers that a table has for each band: (numbers, bands) or (numbers,)."""
    names = dataset.common_name.values
    rows = np.array([table.get(str(name), without) for name in np.ravel(names)])
    return rows.T.reshape(-1, *np.shape(names))


def _per_platform(dataset: xr.Dataset) -> Numbers:
    """Return slope and offset: (2, slots, bands); NaN for platforms without."""
    known = {platform: _per_band(dataset, lines, (1.0, 0.0)) for platform, lines in OLI.items()}
    without = np.full_like(known["sentinel-2a"], np.nan)
    names = dataset.platform.values
    lines = np.array([known.get(str(name), without) for name in np.ravel(names)])
    lines = lines.reshape(*np.shape(names), *without.shape)
    return np.moveaxis(lines, np.ndim(names), 0)


# What is refused.


def _refuse_unfit(
    dataset: xr.Dataset, sensors: tuple[str, ...], bands: Iterable[str], once: tuple[str, ...]
) -> None:
    found = dataset.attrs.get("cubestore:sensor", "a sensor that it does not name")
    if found not in sensors or PIXELS not in dataset or not _adjusted(dataset, bands):
        raise AdjustmentError(
            f"A dataset of {found} with {', '.join(map(str, dataset.data_vars)) or 'no variable'}",
            expected=f"{PIXELS} of {' or '.join(sensors)}, in a band out of {', '.join(bands)}",
            remedy="open such a cube; the numbers are for reflectance at the surface",
        )
    if dataset[PIXELS].dtype.kind != "f":
        raise AdjustmentError(
            f"{PIXELS} in {dataset[PIXELS].dtype}, as stored",
            expected="physical values",
            remedy="open the cube without mask_and_scale=False",
        )
    _refuse_twice(dataset[PIXELS].attrs.get(ADJUSTMENTS, ""), once)


def _refuse_twice(done: str, once: tuple[str, ...]) -> None:
    names = [line.partition(":")[0] for line in done.splitlines()]
    if set(names) & set(once):
        raise AdjustmentError(
            f"{PIXELS} went through {' and '.join(names)} already",
            expected="each once, c_factor before bandpass",
            remedy="start again from what the cube opens",
        )


def _refuse_unknown(
    dataset: xr.Dataset,
    known: np.ndarray[Any, np.dtype[np.bool]],
    unknown: Unknown,
    lack: str,
    expected: str,
) -> None:
    if unknown == "nan" or np.all(known):
        return
    lacking = np.ravel(dataset.item_id.values)[~np.ravel(known)]
    raise AdjustmentError(
        f"{len(lacking)} of {np.size(known)} slots lack {lack}, first {lacking[0]}",
        expected=expected,
        remedy="leave them out, assign the coordinate, or ask for NaN there: unknown='nan'",
    )


# What is done.


def _adjusted(dataset: xr.Dataset, bands: Iterable[str]) -> list[str]:
    """Return the dataset's bands that are among those common names."""
    names, common = np.ravel(dataset.band.values), np.ravel(dataset.common_name.values)
    return [str(n) for n, c in zip(names, common, strict=True) if c in set(bands)]


def _apply(
    dataset: xr.Dataset, slope: Numbers, offset: Numbers, what: str, bands: Iterable[str]
) -> xr.Dataset:
    """Return the dataset with a line put on its pixels when they are read."""
    pixels = dataset[PIXELS].variable
    dims = (*dataset.item_id.dims, *dataset.common_name.dims)
    line = _Line(pixels, *(xr.Variable(dims, n.astype(pixels.dtype)) for n in (slope, offset)))
    lazy = pixels.chunks is None and not isinstance(pixels._data, np.ndarray)  # noqa: SLF001
    data: Any = indexing.LazilyIndexedArray(line) if lazy else line.on(pixels, {}).data
    done = f"{what}; bands {' '.join(_adjusted(dataset, bands))}"
    before = pixels.attrs.get(ADJUSTMENTS, "").splitlines()
    attributes = {**pixels.attrs, ADJUSTMENTS: "\n".join([*before, done])}
    encoding = {name: pixels.encoding[name] for name in _KEPT if name in pixels.encoding}
    return dataset.assign({PIXELS: xr.Variable(pixels.dims, data, attributes, encoding)})


_KEPT = ("preferred_chunks", "coordinates", "grid_mapping")
"""What of the encoding holds on: the values are no longer multiples of a scale."""


class _Line(BackendArray):
    """Pixels times a slope plus an offset, of what is looked at."""

    def __init__(self, pixels: xr.Variable, slope: xr.Variable, offset: xr.Variable) -> None:
        self.shape, self.dtype = pixels.shape, pixels.dtype
        self._pixels, self._line = pixels, (slope, offset)

    def on(self, pixels: xr.Variable, index: Mapping[Any, Any]) -> xr.Variable:
        """Return the line of those pixels, which are at ``index``."""
        slope, offset = (
            n.isel({dim: index[dim] for dim in n.dims if dim in index}) for n in self._line
        )
        return (pixels * slope + offset).transpose(*pixels.dims)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 - xarray's
        support = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:  # noqa: ANN401 - xarray's
        index = dict(zip(self._pixels.dims, key, strict=True))
        return self.on(self._pixels.isel(index), index).values

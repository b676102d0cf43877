"""What pixels are like, band by band: the numbers that a model is normalised with.

All are of STORED values: integers as they are stored, radar as linear power and, besides, in
decibels. Within a cube everything is exact (see `histogram` for floats). Cubes are pooled from
what each of them keeps: counts, means, deviations, minima and maxima as if all pixels had been
counted together, to the rounding of doubles; percentiles by interpolating between those of the
cubes. How they are counted stands in `survey`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore import sensors
from cubestore.encoding import Json
from cubestore.errors import MismatchError
from cubestore.stats.histogram import RESOLUTION, Distribution

PERCENTS = (1, 2, 5, 25, 50, 75, 95, 98, 99)

POWER = "backscatter"
"""The pixel variable that is linear power, and is looked at in decibels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandStatistics:
    """What one band's values are like."""

    name: str
    count: int
    """Of the pixels with data."""

    mean: float
    std: float
    """Of all of them (``ddof`` 0)."""

    min: float
    max: float
    percentiles: tuple[float, ...]
    """At `PERCENTS`, interpolated linearly as NumPy does."""

    @classmethod
    def of(cls, name: str, values: Distribution) -> "BandStatistics":
        """Return the statistics of what was counted."""
        ends = values.values[[0, -1]].tolist() if values.count else [math.nan, math.nan]
        return cls(
            name=name,
            count=values.count,
            mean=values.mean,
            std=values.std,
            min=ends[0],
            max=ends[1],
            percentiles=tuple(values.percentiles(PERCENTS)),
        )

    def to_json(self) -> Json:
        """Return what JSON can hold: null where there is no number."""
        return {name: _null(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "BandStatistics":
        """Return what :meth:`to_json` was made of."""
        known = {name: _nan(value) for name, value in document.items()}
        return cls(**{**known, "percentiles": tuple(known["percentiles"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What a sensor's pixels are like, in one cube or several."""

    sensor: str
    cubes: tuple[tuple[str, int], ...]
    """Tile and commit of each cube that they describe."""

    bands: tuple[BandStatistics, ...]
    """Of stored values."""

    decibels: tuple[BandStatistics, ...] = ()
    """Of ``10 * log10`` of the values above zero; radar alone has them."""

    resolution: float = 0.0
    """How far a value may have been off, as a part of itself: 0 for integers and rounded radar."""

    exact_percentiles: bool = True
    """Whether percentiles are those of the pixels; False: interpolated between several cubes'."""

    def norm(
        self, bands: Sequence[str] | None = None, *, decibels: bool | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and standard deviation, as `cubestore.norms.norm` does.

        Args:
            bands: names; None: all there are.
            decibels: of decibels instead of stored values; None: where there are any (radar).

        Raises:
            MismatchError: a band that is not there, or has no pixels, or no decibels.
        """
        rows = self.decibels if decibels or (decibels is None and self.decibels) else self.bands
        known = {row.name: row for row in rows if row.count}
        wanted = [row.name for row in rows] if bands is None else list(bands)
        if not wanted or not set(wanted) <= set(known):
            raise MismatchError(
                f"The statistics of {', '.join(wanted) or 'no bands'}",
                expected=f"bands with pixels: {', '.join(known) or 'there are none'}",
                remedy="take the bands that the cubes hold; only radar has decibels",
            )
        mean, std = ([getattr(known[n], what) for n in wanted] for what in ("mean", "std"))
        return np.array(mean, np.float32), np.array(std, np.float32)

    def to_json(self) -> Json:
        """Return what JSON can hold."""
        return {
            "sensor": self.sensor,
            "cubes": [{"tile": tile, "commit": commit} for tile, commit in self.cubes],
            "percents": list(PERCENTS),
            "bands": [band.to_json() for band in self.bands],
            "decibels": [band.to_json() for band in self.decibels],
            "resolution": self.resolution,
            "exact_percentiles": self.exact_percentiles,
        }


def counted(
    sensor: str, cubes: tuple[tuple[str, int], ...], by_band: Mapping[str, Distribution]
) -> Statistics:
    """Return the statistics of what was counted, band by band, in some cubes."""
    power = sensors.sensor(sensor).pixels.name == POWER
    decibels = {n: one.decibels() for n, one in by_band.items()} if power else {}
    return Statistics(
        sensor=sensor,
        cubes=cubes,
        bands=tuple(BandStatistics.of(n, one) for n, one in by_band.items()),
        decibels=tuple(BandStatistics.of(n, one) for n, one in decibels.items()),
        resolution=0.0 if all(one.exact for one in by_band.values()) else RESOLUTION,
    )


def pooled(some: Sequence[Statistics]) -> Statistics:
    """Return the statistics of all that some describe, without reading a pixel.

    Percentiles are interpolated: each part's values are taken to be spread evenly between its own
    percentiles, and the parts are weighted by their counts.
    """
    sensor = some[0].sensor
    return Statistics(
        sensor=sensor,
        cubes=tuple(cube for one in some for cube in one.cubes),
        bands=_pooled_bands(sensor, [one.bands for one in some]),
        decibels=_pooled_bands(sensor, [one.decibels for one in some]),
        resolution=max(one.resolution for one in some),
        exact_percentiles=False,
    )


def names(sensor: str, there: set[str]) -> list[str]:
    """Return the names of bands that are there, in the sensor's order."""
    return [band.name for band in sensors.sensor(sensor).every_band if band.name in there]


def _pooled_bands(
    sensor: str, some: Sequence[tuple[BandStatistics, ...]]
) -> tuple[BandStatistics, ...]:
    by_name: dict[str, list[BandStatistics]] = {}
    for bands in some:
        for band in bands:
            by_name.setdefault(band.name, []).append(band)
    return tuple(_pooled_band(by_name[name]) for name in names(sensor, set(by_name)))


def _pooled_band(parts: Sequence[BandStatistics]) -> BandStatistics:
    full = [part for part in parts if part.count]
    if not full:
        return parts[0]
    count = sum(part.count for part in full)
    mean = math.fsum(part.count * part.mean for part in full) / count
    spread = math.fsum(p.count * (p.std**2 + (p.mean - mean) ** 2) for p in full)
    return replace(
        full[0],
        count=count,
        mean=mean,
        std=math.sqrt(spread / count),
        min=min(part.min for part in full),
        max=max(part.max for part in full),
        percentiles=_mixed(full) if len(full) > 1 else full[0].percentiles,
    )


def _mixed(parts: Sequence[BandStatistics]) -> tuple[float, ...]:
    """Return the percentiles of a mixture, each part of which is linear between its own."""
    shares = np.array([0, *PERCENTS, 100]) / 100
    knots = [np.array([part.min, *part.percentiles, part.max]) for part in parts]
    at = np.unique(np.concatenate(knots))
    counts = np.array([part.count for part in parts], np.float64)
    below = [np.interp(at, *_steps(knot, shares), left=0, right=1) for knot in knots]
    return tuple(np.interp(shares[1:-1], counts @ np.array(below) / counts.sum(), at).tolist())


def _steps(
    knots: NDArray[np.float64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ascending knots, of equal ones the last."""
    last = np.append(knots[1:] > knots[:-1], True)
    return knots[last], shares[last]


def _null(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_null(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _nan(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, list):
        return [_nan(one) for one in value]
    return math.nan if value is None else value

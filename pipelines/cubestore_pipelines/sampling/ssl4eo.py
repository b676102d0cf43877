"""SSL4EO-S12's places: scattered about the largest cities, none on top of another.

A city is drawn, and a place about it from a Gaussian; one that lies too near a place that was
taken is drawn anew (zhu-xlab/SSL4EO-S12, src/download_data/ssl4eo_s12_downloader.py, and Wang et
al. 2023). There the kilometres are turned into degrees without regard to the latitude, so that in
the north places lie half as far from their city to the east as to the north, and overlap.
``compat="ssl4eo-s12"`` does so too. Its places cannot be drawn again: its numbers had no seed.
"""

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cubestore.grids.tiles import wrap
from cubestore_pipelines.errors import DatasetError, PlanError
from cubestore_pipelines.sampling import vector

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LOCATIONS, CITIES = 250_000, 10_000
"""Places that were drawn, and the cities about which: the downloader's defaults."""

STD = 50.0
"""Of the Gaussian, kilometres: the same."""

RADIUS = 1320.0
"""Half a patch, metres."""

APART = 1.5
"""Radii that two places must lie apart."""

EARTH_RADIUS = 6371.0
"""Kilometres: the downloader's ``km2deg``."""

TRIES = 10_000
"""Draws in a row that find no room: there is none left."""

BUILT_IN = "cities.csv"
"""A few large cities of every continent, and some in the far north and by the antimeridian: to a
tenth of a degree, and of a million people."""

LONGITUDES, LATITUDES = ("lng", "lon", "longitude"), ("lat", "latitude")
POPULATIONS, NAMES = ("population", "POP_MAX", "pop_max"), ("city", "name", "NAME")
"""What files of cities call their columns: SimpleMaps', Natural Earth's."""

Compat = Literal["", "ssl4eo-s12"]
Position = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class City:
    """Where places may lie."""

    name: str
    longitude: float
    latitude: float
    population: float


def ssl4eo(
    cities: Path | str | None = None,
    *,
    locations: int = LOCATIONS,
    largest: int = CITIES,
    std: float = STD,
    radius: float = RADIUS,
    seed: int = 42,
    compat: Compat = "",
) -> "GeoDataFrame":
    """Return places about cities: ``name`` (``000000`` …), ``kind``, the ``city``, and a point.

    The first hundred of a thousand places are those of a sample of a hundred.

    Args:
        cities: CSV or a vector file with the cities' positions and populations; None: a small
            set of our own.
        locations: how many places.
        largest: about how many of the largest cities.
        std: of the Gaussian, kilometres.
        radius: half a patch, metres; two places lie at least 1.5 times as far apart.
        seed: of what is drawn.
        compat: ``ssl4eo-s12``: degrees of one length everywhere.

    Raises:
        DatasetError: the file of cities lacks a column, or a row of it is no place.
        PlanError: there is no room for so many places.
    """
    some = sorted(read_cities(cities), key=lambda city: -city.population)[:largest]
    drawn = _Places(some, std, APART * radius / 1000, seed, degrees=bool(compat)).draw(locations)
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    columns = {"name": [f"{n:06d}" for n in range(len(drawn))], "kind": "ssl4eo"}
    columns["city"] = [city.name for city, _, _ in drawn]
    points = geopandas.points_from_xy([lon for _, lon, _ in drawn], [lat for *_, lat in drawn])
    return geopandas.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")


def read_cities(path: Path | str | None) -> list[City]:
    """Return the cities of a file, in its order; of None our own small set.

    Raises:
        DatasetError: it lacks a column, or a row is no place.
    """
    name = BUILT_IN if path is None else str(path)
    rows = list(_rows(path))
    if not rows:
        raise _refusal(f"{name} has no cities")
    needed = (LONGITUDES, LATITUDES, POPULATIONS)
    absent = [names[0] for names in needed if not any(one in rows[0] for one in names)]
    if absent:
        raise _refusal(f"{name} has no column {absent[0]!r}")
    return [_city(name, number, row) for number, row in enumerate(rows)]


def _rows(path: Path | str | None) -> Iterator[Mapping[str, Any]]:
    if path is None:
        text = resources.files("cubestore_pipelines.sampling") / BUILT_IN
        yield from csv.DictReader(text.read_text(encoding="utf-8").splitlines())
    elif Path(path).suffix == ".csv":
        try:
            with Path(path).open(encoding="utf-8-sig", newline="") as file:
                yield from csv.DictReader(file)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _refusal(f"{path} cannot be read: {error}") from None
    else:
        table = vector.read(Path(path))
        points = table.geometry.representative_point()
        yield from (
            table.drop(columns="geometry").assign(lng=points.x, lat=points.y).to_dict("records")
        )


def _city(file: str, number: int, row: Mapping[str, Any]) -> City:
    try:
        population = float(_value(row, POPULATIONS) or 0)
        longitude, latitude = float(_value(row, LONGITUDES)), float(_value(row, LATITUDES))
    except (TypeError, ValueError):
        longitude = latitude = population = math.nan
    if not (abs(longitude) <= 180 and abs(latitude) <= 90 and population >= 0):  # noqa: PLR2004 - degrees
        raise _refusal(f"{file}, row {number}: {dict(row)} is no city")
    return City(str(_value(row, NAMES) or ""), longitude, latitude, population)


def _value(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:  # noqa: ANN401 - text or number
    return next((row[name] for name in names if name in row), None)


def _refusal(found: str) -> DatasetError:
    return DatasetError(
        found,
        expected="CSV with lng, lat (degrees) and population, or a vector file with population",
        remedy="SimpleMaps' worldcities.csv and Natural Earth's populated places are such files",
    )


class _Places:
    """Draws places one after the other, and keeps them apart."""

    def __init__(
        self, cities: list[City], std: float, apart: float, seed: int, *, degrees: bool
    ) -> None:
        self._cities, self._std, self._apart = cities, std, apart
        self._random = np.random.default_rng(seed)
        self._stretch: Callable[[float], float] = _one if degrees else _parallel
        self._position = _on_plane if degrees else _on_sphere
        self._taken: dict[tuple[int, ...], list[Position]] = {}

    def draw(self, count: int) -> list[tuple[City, float, float]]:
        """Return so many places, each its city, longitude and latitude."""
        return [self._next(count, number) for number in range(count)]

    def _next(self, count: int, number: int) -> tuple[City, float, float]:
        for _ in range(TRIES):
            city, longitude, latitude = self._candidate()
            if abs(latitude) < 90 and self._take(self._position(longitude, latitude)):  # noqa: PLR2004 - a pole
                return city, longitude, latitude
        raise PlanError(
            f"There is room for {number} places about {len(self._cities)} cities",
            expected=f"for {count}, {self._apart:g} km apart",
            remedy="give more cities, or a wider --std",
        )

    def _candidate(self) -> tuple[City, float, float]:
        city = self._cities[self._random.integers(len(self._cities))]
        std = math.degrees(self._std / EARTH_RADIUS)
        east, north = self._random.normal(scale=std, size=2)
        longitude = city.longitude + east / self._stretch(city.latitude)
        return city, wrap(longitude), city.latitude + float(north)

    def _take(self, position: Position) -> bool:
        """Keep a place unless another lies too near."""
        cell = tuple(math.floor(axis / self._apart) for axis in position)
        for step in product((-1, 0, 1), repeat=3):
            beside = tuple(at + by for at, by in zip(cell, step, strict=True))
            near = self._taken.get(beside, ())
            if any(math.dist(position, other) < self._apart for other in near):
                return False
        self._taken.setdefault(cell, []).append(position)
        return True


def _one(_latitude: float) -> float:
    return 1.0


def _parallel(latitude: float) -> float:
    """Return the length of a degree of longitude, of latitude's; some of it at a pole too."""
    return max(math.cos(math.radians(latitude)), 1e-3)


def _on_plane(longitude: float, latitude: float) -> Position:
    x, y = (math.radians(angle) * EARTH_RADIUS for angle in (longitude, latitude))
    return x, y, 0.0


def _on_sphere(longitude: float, latitude: float) -> Position:
    """Return kilometres from the centre; a chord of 2 km is as long as its arc."""
    lon, lat = math.radians(longitude), math.radians(latitude)
    across = EARTH_RADIUS * math.cos(lat)
    return across * math.cos(lon), across * math.sin(lon), EARTH_RADIUS * math.sin(lat)

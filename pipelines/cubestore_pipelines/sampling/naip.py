"""NAIP's places for Clay v1: what people have made, where water is, and anywhere.

Of Natural Earth all populated places, protected areas and parks, airports and ports, a random
point of each river and one in each lake, and 4000 random points, all within the conterminous
United States (docs/release-notes/data_sampling.md). The vector files are the user's; a small set
of our own shows the way. What is random is uniform on the ground: along a river, in a lake, over
the country. A river that leaves the country has its point where it is in it.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from cubestore_pipelines.errors import DatasetError, NothingFoundError
from cubestore_pipelines.sampling import vector

if TYPE_CHECKING:
    from geopandas import GeoDataFrame, GeoSeries

POINTS = 4000
"""Random ones."""

EQUAL_AREA = "EPSG:5070"
"""Albers' projection of the conterminous United States, in which what is uniform on the ground is
so on the plane."""

STEP = 0.1
"""Degrees between the vertices of what is brought onto the plane: a chord leaves its parallel by
some metres."""

LONLAT = "EPSG:4326"
NAMES = ("name", "NAME", "unit_name", "name_en", "nps_region")
"""What Natural Earth's files call a feature's name."""

BUILT_IN = "united_states.geojson"
"""Some features of each kind, to a tenth of a degree; and a coarse outline, ``within``."""


def naip(  # noqa: PLR0913 - a file a kind, as on the command line
    *,
    places: Path | str | None = None,
    parks: Path | str | None = None,
    airports: Path | str | None = None,
    ports: Path | str | None = None,
    rivers: Path | str | None = None,
    lakes: Path | str | None = None,
    within: Path | str | None = None,
    points: int = POINTS,
    seed: int = 42,
) -> "GeoDataFrame":
    """Return the places at which NAIP is taken: ``name``, ``kind``, and a point on lon/lat.

    Args:
        places: populated places; points.
        parks: parks and protected areas; each gives a point in it.
        airports: points.
        ports: points.
        rivers: lines; all of one name are one river.
        lakes: polygons; all of one name are one lake.
        within: the country's outline; None: a coarse one of the conterminous United States.
        points: how many random ones.
        seed: of what is drawn.

    Returns:
        The kinds in this order, those for which a file was given; without any, of our own set.

    Raises:
        DatasetError: a file cannot be read, or has another kind of geometry.
        NothingFoundError: nothing lies within.
    """
    given = {"place": places, "park": parks, "airport": airports, "port": ports}
    given |= {"river": rivers, "lake": lakes}
    files = {kind: Path(path) for kind, path in given.items() if path is not None}
    country = _Country(_outline(within), np.random.default_rng(seed))
    features = _read(files) if files else _built_in()
    found = [one for kind, table in features for one in country.of(kind, table)]
    found += country.anywhere(points)
    if not found:
        raise NothingFoundError(
            "No place lies within the outline",
            expected="features of the conterminous United States",
            remedy="check the files, or what was given with --within",
        )
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    names, kinds, drawn = zip(*found, strict=True)
    columns = {"name": names, "kind": kinds, "geometry": drawn}
    return geopandas.GeoDataFrame(columns, crs=EQUAL_AREA).to_crs(LONLAT)


Place = tuple[str, str, shapely.Point]
"""Name, kind, and a point on the plane."""


class _Country:
    """An outline, and what is drawn in it."""

    def __init__(self, outline: "GeoDataFrame", random: np.random.Generator) -> None:
        self._around = shapely.box(*outline.total_bounds)
        self._outline, self._random = _on_plane(outline).union_all(), random

    def of(self, kind: str, table: "GeoDataFrame") -> list[Place]:
        """Return the points of one kind of feature."""
        inside = self._inside(table, DIMENSIONS.get(kind, 0))
        rule = RULES.get(kind)
        if rule is None:
            points = inside.geometry.representative_point()
            return [(name, kind, one) for name, one in zip(inside["name"], points, strict=True)]
        whole = inside.dissolve(_identity(inside))
        pairs = zip(whole["name"], whole.geometry, strict=True)
        return [(name, kind, rule(one, self._random)) for name, one in pairs]

    def anywhere(self, count: int) -> list[Place]:
        """Return points uniform over the country."""
        return [("", "random", one) for one in _inside(self._outline, self._random, count)]

    def _inside(self, table: "GeoDataFrame", dimensions: int) -> "GeoDataFrame":
        """Return what of each feature lies in the country, on the plane.

        The plane has no place for the other side of the Earth: what is far is left out before.
        """
        near = table.geometry.make_valid().intersection(self._around)
        shapes = _on_plane(table.assign(geometry=near)).intersection(self._outline)
        size = {0: shapely.get_num_coordinates, 1: shapely.length, 2: shapely.area}[dimensions]
        return table.assign(geometry=shapes)[size(shapes.array) > 0]


def _on_river(line: shapely.Geometry, random: np.random.Generator) -> shapely.Point:
    """Return a point of a river, which may come in pieces, each as likely as it is long."""
    pieces = [piece for piece in shapely.get_parts(line) if piece.length]
    ends = np.cumsum([piece.length for piece in pieces])
    along = random.uniform(0, ends[-1])
    piece = int(np.searchsorted(ends, along, side="right").clip(max=len(pieces) - 1))
    return pieces[piece].interpolate(along - ends[piece] + pieces[piece].length)


def _in_lake(area: shapely.Geometry, random: np.random.Generator) -> shapely.Point:
    surfaces = [part for part in shapely.get_parts(area) if part.area]
    return next(_inside(shapely.union_all(surfaces), random, 1))


def _inside(
    area: shapely.Geometry, random: np.random.Generator, count: int
) -> Iterator[shapely.Point]:
    """Yield points uniform in an area: of its box, those that it contains."""
    west, south, east, north = area.bounds
    shapely.prepare(area)
    while count > 0:
        corners = random.uniform((west, south), (east, north), (2 * count + 8, 2))
        found = shapely.points(corners)
        chosen = found[shapely.contains(area, found)][:count]
        count -= len(chosen)
        yield from chosen


Rule = Callable[[shapely.Geometry, np.random.Generator], shapely.Point]
RULES: Mapping[str, Rule] = MappingProxyType({"river": _on_river, "lake": _in_lake})
"""Kinds of which a random point is taken; of the others it is one in the middle."""

DIMENSIONS: Mapping[str, int] = MappingProxyType({"river": 1, "lake": 2, "country": 2})
"""Of what something is drawn in, or along."""


def _read(files: Mapping[str, Path]) -> Iterator[tuple[str, "GeoDataFrame"]]:
    for kind, path in files.items():
        table = vector.read(path)
        _refuse_other_geometry(table, kind, path)
        named = next((name for name in NAMES if name in table), None)
        names = table[named].fillna("").astype(str) if named else ""
        yield kind, table[["geometry"]].assign(name=names)


def _refuse_other_geometry(table: "GeoDataFrame", kind: str, path: Path) -> None:
    needed = DIMENSIONS.get(kind)
    dimensions = shapely.get_dimensions(table.geometry.array)
    wrong = np.flatnonzero((dimensions != needed) if needed else (dimensions < 0))
    if len(wrong):
        found = table.geometry.iloc[wrong[0]]
        raise DatasetError(
            f"{path}, row {wrong[0]} is {'no geometry' if found is None else found.geom_type}",
            expected={1: "a line", 2: "a polygon"}.get(needed or 0, "a point, a line or a polygon"),
            remedy=f"give another file, such as Natural Earth's, for each {kind}",
        )


def _built_in() -> Iterator[tuple[str, "GeoDataFrame"]]:
    table = _own()
    for kind in dict.fromkeys(table["kind"]):
        if kind != "within":
            yield kind, table[table["kind"] == kind][["name", "geometry"]]


def _outline(within: Path | str | None) -> "GeoDataFrame":
    if within is not None:
        table = vector.read(Path(within))
        _refuse_other_geometry(table, "country", Path(within))
        return table
    own = _own()
    return own[own["kind"] == "within"]


def _own() -> "GeoDataFrame":
    with resources.as_file(resources.files("cubestore_pipelines.sampling") / BUILT_IN) as path:
        return vector.read(path)


def _on_plane(table: "GeoDataFrame") -> "GeoSeries":
    """Return a table's shapes on the plane, where parallels bend, mended if not valid."""
    return table.geometry.segmentize(STEP).to_crs(EQUAL_AREA).make_valid()


def _identity(table: "GeoDataFrame") -> Any:  # noqa: ANN401 - a series
    """Return what tells rivers or lakes apart: the name, or the row where there is none."""
    names = table["name"]
    return names.where(names != "", [f"\0{row}" for row in range(len(table))])

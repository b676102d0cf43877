"""MODIS' sinusoidal tiles that are full: none of their pixels is nodata.

Clay leaves out tiles that the Earth's edge, the sea or the polar night cuts into, and drew the
233 that are left once (docs/release-notes/data_sampling.md). The same rule can be asked of cubes
or of a catalogue: of each tile the latest composite decides, by its first band.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cubestore import Cube, grids, open_store
from cubestore_pipelines.errors import NothingFoundError, PlanError
from cubestore_pipelines.sampling.outlines import outline
from cubestore_pipelines.sampling.scenes import Source
from cubestore_pipelines.scene import Scene

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

PUBLISHED: Mapping[int, str] = MappingProxyType(
    {
        2: "12-23",
        3: "9 11-15 17-26",
        4: "8 10-14 17-28",
        5: "7-12 15-21 23-30",
        6: "3 7-11 16-31",
        7: "3 7-11 15-33",
        8: "1-2 8-13 16 18-23 25-34",
        9: "1-4 8-14 16 19 21-23 25 27-34",
        10: "2-5 10-14 17 19-23 27-33",
        11: "3-6 8 10-15 19-23 27-32",
        12: "11-13 16-17 19-20 24 27-30",
        13: "12-13 17 20-22 28",
        14: "13-16 18 22",
    }
)
"""Columns by row. Source: Clay-foundation/stacchip, stacchip/processors/modis_processor.py, at
c7e8694: ``SIN_GRID_TILES``, pairs of row and column."""

SENSOR, BAND = "modis-09a1", "sur_refl_b01"
NODATA = -28672
"""MOD09 User's Guide, table 6; the only one that the rule looks for."""

AT_ONCE = 8
"""Files that are read at a time."""


def published_tiles() -> list[str]:
    """Return the ids of the 233 tiles, row by row from the north."""
    return [
        f"h{column:02}v{row:02}" for row, told in PUBLISHED.items() for column in _columns(told)
    ]


def sin(
    *,
    store: Path | str | None = None,
    catalog: str = "",
    datetime: str = "",
    timeout: float = 30.0,
) -> "GeoDataFrame":
    """Return the full tiles of the sinusoidal grid: ``name``, and the ``item`` that tells so.

    Args:
        store: ask the rule of its MODIS cubes.
        catalog: ask it of a catalogue's composites, as ``--catalog`` takes one.
        datetime: of those of a catalogue: ``A/B`` in UTC.
        timeout: seconds that a server may take to answer.

    Returns:
        Without a store or a catalogue the 233 tiles that Clay published, with no item.

    Raises:
        PlanError: both were given.
        NothingFoundError: there is no MODIS in it.
    """
    if store is not None and catalog:
        raise PlanError(
            "A store and a catalogue", expected="one of them", remedy="leave out the other"
        )
    if store is None and not catalog:
        return _table(dict.fromkeys(published_tiles(), ""))
    if store is not None:
        looked = dict(_of_store(store))
    else:
        looked = dict(_of_catalog(catalog, datetime, timeout))
    if not looked:
        raise NothingFoundError(
            f"{store or catalog} has nothing of {SENSOR}",
            expected="composites to look at",
            remedy="leave both out for the list that was published",
        )
    return _table({tile: item for tile, (item, whole) in looked.items() if whole})


def full(pixels: NDArray[Any]) -> bool:
    """Whether a composite's first band, as stored, has no nodata."""
    return not (pixels == NODATA).any()


Looked = Iterator[tuple[str, tuple[str, bool]]]
"""Tile, item, and whether it is full."""


def _of_store(store: Path | str) -> Looked:
    opened = open_store(store)
    for tile, sensor in opened.cubes():
        if sensor == SENSOR and (told := _of_cube(opened.cube(tile, sensor))):
            yield tile, told


def _of_cube(cube: Cube) -> tuple[str, bool] | None:
    slots = cube.open(mask_and_scale=False, chunks=None)
    if not slots.sizes["time"]:
        return None
    latest = slots.isel(time=-1)
    return str(latest.item_id.item()), full(latest.reflectance.sel(band=BAND).values)


def _of_catalog(catalog: str, datetime: str, timeout: float) -> Looked:
    source = Source(catalog=catalog, sensor=SENSOR, band=BAND, timeout=timeout)
    latest = {scene.tile: scene for scene in source.scenes(datetime=datetime)}

    def look(scene: Scene) -> tuple[str, tuple[str, bool]]:
        with source.opened(scene) as dataset:
            return scene.tile, (scene.item_id, full(dataset.read(1)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(look, latest.values())


def _table(items: Mapping[str, str]) -> "GeoDataFrame":
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    names = sorted(items)
    columns = {"name": names, "item": [items[name] for name in names]}
    outlines = [outline(grids.tile(name)) for name in names]
    return geopandas.GeoDataFrame(columns, geometry=outlines, crs="EPSG:4326")


def _columns(told: str) -> Iterator[int]:
    """Yield the columns of ``9 11-15``."""
    for span in told.split():
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1)

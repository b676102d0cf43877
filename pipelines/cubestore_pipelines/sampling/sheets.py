"""Where sheets of WorldCover are found: a folder, files, or a catalogue."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import shapely

from cubestore_pipelines import gdal
from cubestore_pipelines.errors import DatasetError
from cubestore_pipelines.sampling.scenes import Source
from cubestore_pipelines.sampling.worldcover import Sheet, sheet

SUFFIXES = (".tif", ".tiff")
MAP, FAMILY = "_Map", "ESA_WorldCover"
"""What files of the product are called; beside its maps lie the counts of images."""

AT_ONCE = 8
"""Headers that are read at a time."""


def sheets(
    worldcover: Path | str | Sequence[Path],
    area: shapely.Geometry | None,
    *,
    timeout: float = 30.0,
) -> list[Sheet]:
    """Return the sheets of a folder, of files, or those of a catalogue in an area.

    Args:
        worldcover: a folder with GeoTIFFs in it or below it, some of them, or a catalogue.
        area: lon/lat; None: the Earth.
        timeout: seconds that a server may take to answer.

    Raises:
        DatasetError: there is none, or one is not as it was published.
        CatalogError: the catalogue cannot be searched.
    """
    if isinstance(worldcover, Path | str):
        files = _files(Path(worldcover))
        there = list(map(_local, files)) or _catalogued(str(worldcover), area, timeout)
    else:
        there = [_local(Path(file)) for file in worldcover]
    if not there:
        raise DatasetError(
            f"{worldcover} holds no sheet of WorldCover",
            expected="GeoTIFFs of three degrees, or a catalogue of them",
            remedy="s3://esa-worldcover/v200/2021/map has them, and so has planetary-computer",
        )
    return there


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.suffix in SUFFIXES else []
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
    return [file for file in files if MAP in file.name or not file.name.startswith(FAMILY)]


def _local(path: Path) -> Sheet:
    size = path.stat().st_size if path.is_file() else 0
    return sheet(f"{path.name} of {size} bytes", partial(gdal.opened, path, path.name))


def _catalogued(catalog: str, area: shapely.Geometry | None, timeout: float) -> list[Sheet]:
    """Return the sheets of a catalogue, those of the latest version where it has several."""
    source = Source(catalog=catalog, sensor="esa-worldcover", band="map", timeout=timeout)
    scenes = source.scenes(area)
    latest = max((scene.processor_version for scene in scenes), default="")
    chosen = [scene for scene in scenes if scene.processor_version == latest]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda one: sheet(one.item_id, partial(source.opened, one)), chosen))

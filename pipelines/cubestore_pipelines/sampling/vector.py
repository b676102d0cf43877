"""Tables with a place a row, on disk: FlatGeobuf, or GeoParquet where the file is called so."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from cubestore.disk import writable
from cubestore_pipelines.errors import DatasetError, PlanError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

FLATGEOBUF, PARQUET = (".fgb",), (".parquet", ".geoparquet")
"""Endings of what is written."""

IN_ORDER = {"SPATIAL_INDEX": "NO"}
"""An index would sort the rows, and the first of a sample are to be the first that were drawn."""


def check(path: Path, *others: str) -> None:
    """Refuse a file's name that does not say what is to be written.

    Args:
        path: where a table is to go.
        others: endings that stand for something else that can be written there.

    Raises:
        PlanError: it ends in none of those that are known.
    """
    endings = (*FLATGEOBUF, *PARQUET, *others)
    if path.suffix not in endings:
        raise PlanError(
            f"An output called {path.name}",
            expected=f"a file that ends in {', '.join(endings)}",
            remedy="choose one of these with --output",
        )


def write(table: "GeoDataFrame", path: Path) -> None:
    """Put a table at ``path`` in one step: whoever reads it sees the old one or the new one.

    Raises:
        PlanError: the name does not say which format.
        NotWritableError: the disk takes no more.
    """
    check(path)
    aside = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    with writable(path):
        try:
            if path.suffix in PARQUET:
                table.to_parquet(aside)
            else:
                table.to_file(aside, driver="FlatGeobuf", layer=path.stem, **IN_ORDER)
            aside.replace(path)
        except RuntimeError as error:  # pyogrio's of a folder that is not there, or not ours
            raise OSError(0, str(error), str(path)) from error
        finally:
            aside.unlink(missing_ok=True)


def read(path: Path) -> "GeoDataFrame":
    """Return a table on lon/lat (EPSG:4326).

    Raises:
        DatasetError: the file cannot be read, or tells no CRS.
    """
    import geopandas  # noqa: PLC0415 - half a second, for those who need it

    reader = geopandas.read_parquet if path.suffix in PARQUET else geopandas.read_file
    try:
        return reader(path).to_crs("EPSG:4326")
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise DatasetError(
            f"{path} cannot be read: {' '.join(str(error).split())[:200]}",
            expected="FlatGeobuf, GeoParquet, GeoPackage or another vector file with a CRS",
            remedy="check the path, and that the file is whole",
        ) from None

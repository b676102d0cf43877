"""Columns of a chip index, whether it is an Arrow table or a GeoDataFrame."""

from typing import Any, TypeVar

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray

from cubestore.errors import MismatchError

Chips = TypeVar("Chips", pa.Table, gpd.GeoDataFrame)
"""Either; what is returned is of the same kind."""

LONLAT = "EPSG:4326"


def names(chips: pa.Table | gpd.GeoDataFrame) -> list[str]:
    """Return the names of the columns."""
    return chips.column_names if isinstance(chips, pa.Table) else [str(n) for n in chips.columns]


def column(chips: pa.Table | gpd.GeoDataFrame, name: str) -> pa.Array:
    """Return a column, as one array.

    Raises:
        MismatchError: there is none of that name.
    """
    if name not in names(chips):
        raise MismatchError(
            f"Chips without a column {name!r}",
            expected=f"one of {', '.join(names(chips))}",
            remedy="make the index with `cubestore index`, or read that column of it too",
        )
    if isinstance(chips, pa.Table):
        values = chips[name].combine_chunks()
        return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    return pa.array(chips[name], from_pandas=True)


def numbers(chips: pa.Table | gpd.GeoDataFrame, name: str) -> NDArray[Any]:
    """Return a column of numbers or times; NaN for null."""
    values: NDArray[Any] = column(chips, name).to_numpy(zero_copy_only=False)
    return values


def texts(chips: pa.Table | gpd.GeoDataFrame, name: str) -> NDArray[Any]:
    """Return a column of text, as objects; "" for null."""
    values = pc.fill_null(column(chips, name).cast(pa.string()), "")
    found: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return found


def codes(chips: pa.Table | gpd.GeoDataFrame, name: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return a column as positions in its distinct values, and those; null is one of them."""
    encoded = column(chips, name).dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def outlines(chips: pa.Table | gpd.GeoDataFrame) -> NDArray[Any]:
    """Return the chips' outlines in lon/lat.

    Raises:
        MismatchError: there are none, or in another CRS.
    """
    if isinstance(chips, pa.Table):
        data = column(chips, "geometry")
        data = getattr(data, "storage", data)  # geoarrow's type is binary in an extension
        found: NDArray[Any] = shapely.from_wkb(data.to_numpy(zero_copy_only=False))
        return found
    if chips.crs is not None and not chips.crs.equals(LONLAT, ignore_axis_order=True):
        raise MismatchError(
            f"Chips in {chips.crs.to_string()}",
            expected="longitude and latitude, EPSG:4326",
            remedy=f'convert them: chips.to_crs("{LONLAT}")',
        )
    return np.asarray(chips.geometry.array, object)


def with_split(chips: Chips, split: NDArray[Any]) -> Chips:
    """Return the chips with another column ``split``; those that are given stay as they are."""
    if isinstance(chips, gpd.GeoDataFrame):
        return chips.assign(split=split)
    values = pa.array(split, pa.string())
    if "split" in chips.column_names:
        return chips.set_column(chips.column_names.index("split"), "split", values)
    return chips.append_column("split", values)

"""What a group holds in the words of STAC: its bands, and the dims and variables of a data cube.

An asset is a whole Zarr group, and the bands of the asset are its arrays: href, a slash and the
band's name is the array (STAC's best practices for Zarr). The bands of the instrument lie along a
dim of one of these arrays, and stand in the item's properties.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import orjson
import shapely
from odc.geo.geobox import GeoBox

from cubestore.encoding import Array
from cubestore.grids import Tile
from cubestore.sensors import Band
from cubestore_catalog.stac.records import Json

DTYPES = {"bool": "uint8"}
"""What STAC has no word for."""

LONGEST = 1000
"""Micrometres, where infrared ends: ISO 20473."""


def spectral(bands: Iterable[Band]) -> list[Json]:
    """Return the bands of an instrument."""
    return [_band(band) for band in bands]


def arrays(group: Iterable[Array], gsd: float | None = None) -> list[Json]:
    """Return the arrays of a group that hold data, as the bands of its asset.

    Args:
        group: its arrays; coordinates are left out.
        gsd: metres of a pixel, of those that are cut in shards.
    """
    return [_array(one, gsd if one.shards else None) for one in group if not one.is_coordinate]


def variables(group: Iterable[Array]) -> Json:
    """Return the data variables of a group, as a data cube has them."""
    return {one.name: _variable(one) for one in group if not one.is_coordinate}


def space(grid: GeoBox, tile: Tile, dims: tuple[str, str] = ("y", "x")) -> Json:
    """Return the dims of a grid, from edge to edge.

    Args:
        grid: of pixels, or of chips.
        tile: what it lies in.
        dims: what they are called: the one from the north, and the one from the west.
    """
    code = tile.crs.epsg
    system = tile.crs.proj.to_wkt("WKT2_2019") if code is None else code
    left, bottom, right, top = grid.boundingbox.bbox
    spans = {"y": ([bottom, top], grid.affine.e), "x": ([left, right], grid.affine.a)}
    return {
        dim: {
            "type": "spatial",
            "axis": axis,
            "extent": extent,
            "step": step,
            "unit": "m",
            "reference_system": system,
        }
        for dim, (axis, (extent, step)) in zip(dims, spans.items(), strict=True)
    }


def counted(group: Mapping[str, Array], known: Iterable[str]) -> Json:
    """Return the dims that nothing else tells of, by how long they are."""
    sizes = {
        dim: size
        for one in group.values()
        if not one.is_coordinate
        for dim, size in zip(one.dims, one.shape, strict=True)
    }
    return {
        dim: {"type": "count", "extent": [0, size - 1]}
        for dim, size in sizes.items()
        if dim not in set(known)
    }


def listed(kind: str, values: Sequence[str]) -> Json:
    """Return a dim whose values are told one by one."""
    return {"type": kind, "values": list(values)}


def projection(grid: GeoBox, tile: Tile, held: shapely.Geometry) -> Json:
    """Return the fields of the projection extension; what has no code is told as WKT.

    Args:
        grid: the pixels, where there are data and where not.
        tile: what they lie in.
        held: the part that has data, in the tile's CRS.
    """
    code = tile.crs.epsg
    told: Json = {"proj:code": None if code is None else f"EPSG:{code}"}
    if code is None:
        told["proj:wkt2"] = tile.crs.proj.to_wkt("WKT2_2019")
    return {
        **told,
        "proj:bbox": [float(n) for n in held.bounds],
        "proj:geometry": orjson.loads(shapely.to_geojson(held)),  # in lists, as it is read again
        "proj:shape": [int(n) for n in grid.shape],
        "proj:transform": [float(n) for n in grid.affine[:6]],
    }


def _band(band: Band) -> Json:
    told = {
        "name": band.name,
        "eo:common_name": band.common_name or None,
        "eo:center_wavelength": _of_light(band.center_wavelength),
        "eo:full_width_half_max": _finite(band.full_width_half_max),
        "gsd": band.gsd,
    }
    return _known(told)


def _array(array: Array, gsd: float | None) -> Json:
    attributes = array.attributes
    return _known(
        {
            "name": array.name,
            "description": attributes.get("long_name"),
            "data_type": DTYPES.get(array.dtype, array.dtype),
            "nodata": nodata(array),
            "unit": attributes.get("units"),
            "raster:scale": attributes.get("scale_factor"),
            "raster:offset": attributes.get("add_offset"),
            "raster:spatial_resolution": gsd,
        }
    )


def _variable(array: Array) -> Json:
    return _known(
        {
            "type": "data",  # so the extension's text
            "variable_type": "data",  # so its schema
            "dimensions": list(array.dims),
            "description": array.attributes.get("long_name"),
            "unit": array.attributes.get("units"),
            "nodata": nodata(array),
            "data_type": DTYPES.get(array.dtype, array.dtype),
            "shape": list(array.shape),
        }
    )


def nodata(array: Array) -> float | str | None:
    """Return the stored value that means: nothing here."""
    if isinstance(array.fill, str):
        return None
    return "nan" if math.isnan(array.fill) else array.fill


def _of_light(wavelength: float) -> float | None:
    """Return a wavelength, if it is one that ``eo:`` can tell of; a radar's stands in ``sar:``."""
    return wavelength if wavelength <= LONGEST else None


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _known(told: Json) -> Json:
    return {name: value for name, value in told.items() if value is not None}

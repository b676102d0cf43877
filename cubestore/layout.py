"""All that is known about a cube's bytes: which arrays it has, how they are cut, what they say.

One cube is one Zarr v3 group. Its pixels lie in shards of 2048 x 2048 pixels, each of one
slot and all bands, in chunks of 128 x 128; coordinates on time in chunks of 4096 slots, so
that opening reads one file for each. Nothing here touches a disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr_cm
from odc.geo.geobox import GeoBox

from cubestore.cloud import CLOUD_CLASS
from cubestore.encoding import MANTISSA_BITS, STRING, Array, Json
from cubestore.errors import MismatchError
from cubestore.grids import Tile
from cubestore.records import software
from cubestore.sensors import Band, Layer, Sensor

FORMAT = 1
CHUNK = 128
"""Pixels: a training chip of 256 is four chunks, a pixel's series reads little for nothing."""

SHARD = 2048
"""Pixels: 36 files a slot on a Sentinel-2 tile, 84 MB each of ten 16-bit bands."""

TIME_CHUNK = 4096
"""Slots: opening a cube of 10,000 slots took 1.4 s with chunks of one."""

CONTROL = ".control"
"""Lock, staging, commit records: beside the cube, never inside it."""

TIME_UNITS = {"units": "microseconds since 1970-01-01", "calendar": "proleptic_gregorian"}

TIME_COORDINATES: dict[str, tuple[str, float | str, Json]] = {
    "time": ("int64", 0, {"standard_name": "time", **TIME_UNITS}),
    "time_end": ("int64", 0, {"long_name": "end of the composite", **TIME_UNITS}),
    "item_id": (STRING, "", {"long_name": "STAC items, joined with a space"}),
    "source_url": (STRING, "", {"long_name": "where the items came from, unsigned"}),
    "platform": (STRING, "", {"long_name": "platform"}),
    "processing_baseline": (STRING, "", {"long_name": "processing baseline"}),
    "processor_version": (STRING, "", {"long_name": "version of the provider's processor"}),
    "dn_offset": ("int16", -1, {"long_name": "what was added to the product's digital numbers"}),
    "dn_offset_source": (STRING, "", {"long_name": "the rule that decided dn_offset"}),
    "orbit_state": (STRING, "", {"long_name": "ascending or descending"}),
    "relative_orbit": ("int32", -1, {"long_name": "relative orbit; Landsat: WRS path and row"}),
    "sun_azimuth": ("float32", np.nan, {"long_name": "sun azimuth", "units": "degree"}),
    "sun_elevation": ("float32", np.nan, {"long_name": "sun elevation", "units": "degree"}),
    "view_azimuth": ("float32", np.nan, {"long_name": "view azimuth", "units": "degree"}),
    "view_zenith": ("float32", np.nan, {"long_name": "view zenith angle", "units": "degree"}),
    "cloud_cover": ("float32", np.nan, {"long_name": "the provider's", "units": "percent"}),
    "clear_fraction": ("float32", np.nan, {"long_name": "clear / not unknown", "units": "1"}),
    "valid_fraction": ("float32", np.nan, {"long_name": "valid / asked for", "units": "1"}),
    "supersedes": (STRING, "", {"long_name": "the item_id that this slot replaces"}),
    "created": ("int64", 0, {"long_name": "when the slot was written", **TIME_UNITS}),
}
"""Name -> dtype, the value that says "unknown", attributes; in the order of the format."""

BAND_COORDINATES = ("band", "common_name", "center_wavelength", "full_width_half_max", "gsd")


def geobox(sensor: Sensor, tile: Tile) -> GeoBox:
    """Return the pixel grid of a sensor's cube on a tile, north up.

    Raises:
        MismatchError: the tile is of another grid than the sensor's.
    """
    if tile.grid != sensor.grid:
        raise MismatchError(
            f"Tile {tile.id} is of the grid {tile.grid!r}",
            expected=f"{sensor.grid!r}, the grid of {sensor.id}",
            remedy="see `cubestore tiles --grid` for the tiles of a place",
        )
    return tile.geobox(sensor.gsd, margin=sensor.margin)


def bands_of(sensor: Sensor, names: Sequence[str] | None) -> tuple[Band, ...]:
    """Return the bands of those names, or the standard ones.

    Raises:
        MismatchError: a name that the sensor does not know, or twice the same.
    """
    if names is None:
        return sensor.bands
    known = {band.name: band for band in sensor.every_band}
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise MismatchError(
            f"Bands {list(names)} for {sensor.id}",
            expected=f"some of {list(known)}, each once",
            remedy="see `cubestore sensors` for a sensor's bands",
        )
    return tuple(known[name] for name in names)


def layers_of(sensor: Sensor, optional: Sequence[str] = ()) -> tuple[Layer, ...]:
    """Return the layers on ``(time, y, x)``: the product's own, the cloud class, those asked for.

    Raises:
        MismatchError: a name that the sensor does not know.
    """
    known = {layer.name: layer for layer in sensor.optional_layers}
    if not set(optional) <= set(known):
        raise MismatchError(
            f"Layers {list(optional)} for {sensor.id}",
            expected=f"some of {list(known)}",
            remedy="leave out what the sensor does not have",
        )
    clouds = (CLOUD_CLASS,) if any(layer.name == "quality" for layer in sensor.layers) else ()
    return (*sensor.layers, *clouds, *(known[name] for name in optional))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A cube before its first slot."""

    arrays: Mapping[str, Array]
    values: Mapping[str, np.ndarray[Any, Any]]
    """What is stored of those arrays that have no time."""

    attributes: Json


def template(
    sensor: Sensor,
    tile: Tile,
    *,
    bands: Sequence[str] | None = None,
    layers: Sequence[str] = (),
    lossless: bool = False,
) -> Template:
    """Return a cube of a sensor on a tile, without slots.

    Args:
        sensor: whose pixels it is to hold.
        tile: where.
        bands: names, in the cube's order; None: the standard ones.
        layers: optional layers that it is to hold too.
        lossless: keep every bit of float pixels.

    Raises:
        MismatchError: tile, bands or layers that are not the sensor's.
    """
    grid = geobox(sensor, tile)
    chosen = bands_of(sensor, bands)
    values = _band_values(chosen) | space_values(grid)
    made = [
        *(_static(name, values[name], grid, tile) for name in values),
        *(_on_time(name) for name in time_coordinates(sensor)),
        _pixels(sensor, grid, tile, len(chosen), lossless=lossless),
        *(_layer(sensor, layer, grid, tile) for layer in layers_of(sensor, layers)),
    ]
    return Template(
        arrays={array.name: array for array in made},
        values=values,
        attributes=_group_attributes(sensor, tile, grid),
    )


def time_coordinates(sensor: Sensor) -> tuple[str, ...]:
    """Return the names of the coordinates on time that a sensor's cubes have."""
    return tuple(n for n in TIME_COORDINATES if n != "time_end" or sensor.composite)


def coordinates_attribute(sensor: Sensor, dims: Sequence[str]) -> str:
    """Return the auxiliary coordinates of a variable on ``dims``, as CF lists them."""
    on_time = time_coordinates(sensor) if "time" in dims else ()
    on_band = BAND_COORDINATES if "band" in dims else ()
    return " ".join([n for n in (*on_time, *on_band) if n not in dims] + ["spatial_ref"])


def _pixels(sensor: Sensor, grid: GeoBox, tile: Tile, bands: int, *, lossless: bool) -> Array:
    attributes = _layer_attributes(sensor.pixels)
    if sensor.mantissa_bits is not None and not lossless:
        attributes[MANTISSA_BITS] = sensor.mantissa_bits
    return Array(
        name=sensor.pixels.name,
        dims=("time", "band", "y", "x"),
        shape=(0, bands, *grid.shape),
        dtype=sensor.pixels.dtype.name,
        fill=_fill(sensor.pixels),
        chunks=(1, bands, CHUNK, CHUNK),
        shards=(1, bands, SHARD, SHARD),
        attributes=attributes
        | {"coordinates": coordinates_attribute(sensor, ("time", "band"))}
        | _array_georeference(tile, grid),
    )


def _layer(sensor: Sensor, layer: Layer, grid: GeoBox, tile: Tile) -> Array:
    return Array(
        name=layer.name,
        dims=("time", "y", "x"),
        shape=(0, *grid.shape),
        dtype=layer.dtype.name,
        fill=_fill(layer),
        chunks=(1, CHUNK, CHUNK),
        shards=(1, SHARD, SHARD),
        attributes=_layer_attributes(layer)
        | {"coordinates": coordinates_attribute(sensor, ("time",))}
        | _array_georeference(tile, grid),
    )


def _on_time(name: str) -> Array:
    dtype, unknown, attributes = TIME_COORDINATES[name]
    return Array(
        name=name,
        dims=("time",),
        shape=(0,),
        dtype=dtype,
        fill=unknown,
        chunks=(TIME_CHUNK,),
        attributes=attributes,
    )


def _static(name: str, values: np.ndarray[Any, Any], grid: GeoBox, tile: Tile) -> Array:
    attributes: dict[str, Json] = {
        "x": _axis_attributes(grid, "x"),
        "y": _axis_attributes(grid, "y"),
        "spatial_ref": tile.crs.proj.to_cf() | {"GeoTransform": _geotransform(grid)},
        "center_wavelength": {"units": "um", "long_name": "centre of the passband"},
        "full_width_half_max": {"units": "um", "long_name": "width of the passband"},
        "gsd": {"units": "m", "long_name": "ground sample distance of the product's own pixels"},
    }
    text = values.dtype.kind == "O"
    dim = {"x": "x", "y": "y"}.get(name, "band")
    return Array(
        name=name,
        dims=(dim,) if values.ndim else (),
        shape=values.shape,
        dtype=STRING if text else values.dtype.name,
        fill="" if text else unknown(values.dtype),
        chunks=values.shape,
        attributes=attributes.get(name, {}),
    )


def unknown(dtype: np.dtype[Any]) -> float:
    """Return what says "unknown" in a coordinate of that dtype."""
    unknowns = {"f": np.nan, "u": np.iinfo(dtype).max if dtype.kind == "u" else 0}
    return unknowns.get(dtype.kind, -1)


def _band_values(bands: Sequence[Band]) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "band": np.array([b.name for b in bands], object),
        "common_name": np.array([b.common_name for b in bands], object),
        "center_wavelength": np.array([b.center_wavelength for b in bands]),
        "full_width_half_max": np.array([b.full_width_half_max for b in bands]),
        "gsd": np.array([b.gsd for b in bands], "float64"),
    }


def space_values(grid: GeoBox) -> dict[str, np.ndarray[Any, Any]]:
    """Pixel centres, float64: integers break readers in browsers."""
    rows, columns = grid.shape
    x = grid.affine.c + grid.affine.a * (np.arange(columns) + 0.5)
    y = grid.affine.f + grid.affine.e * (np.arange(rows) + 0.5)
    return {"y": y, "x": x, "spatial_ref": np.array(0, "int32")}


def _axis_attributes(grid: GeoBox, axis: str) -> Json:
    return {
        "standard_name": f"projection_{axis}_coordinate",
        "long_name": f"{axis} of the pixel's centre",
        "units": "m",
        "axis": axis.upper(),
        "resolution": grid.affine.a if axis == "x" else grid.affine.e,
    }


def _geotransform(grid: GeoBox) -> str:
    """GDAL's six numbers."""
    return " ".join(repr(float(n)) for n in grid.affine.to_gdal())


def _fill(layer: Layer) -> float:
    return float(layer.nodata) if layer.dtype.kind == "f" else int(layer.nodata)


def _layer_attributes(layer: Layer) -> Json:
    known = {
        "long_name": layer.long_name,
        "units": layer.units or None,
        "scale_factor": layer.scale_factor,
        "add_offset": layer.add_offset,
        "_FillValue": _fill(layer) if layer.masked else None,
        "valid_range": list(layer.valid_range) if layer.valid_range else None,
        "grid_mapping": "spatial_ref",
    }
    attributes = {name: value for name, value in known.items() if value is not None}
    return attributes | _flag_attributes(layer)


def _flag_attributes(layer: Layer) -> Json:
    """CF section 3.5: values alone, bits alone, or values under masks."""
    if not layer.flags:
        return {}
    attributes: Json = {"flag_meanings": " ".join(flag.meaning for flag in layer.flags)}
    masks, values = [f.mask for f in layer.flags], [f.value for f in layer.flags]
    if any(masks):
        attributes["flag_masks"] = masks
    if masks != values:
        attributes["flag_values"] = values
    return attributes


def _array_georeference(tile: Tile, grid: GeoBox) -> Json:
    return _conventions(tile, _spatial(grid))


def _spatial(grid: GeoBox) -> Json:
    return {
        "spatial:dimensions": ["y", "x"],
        "spatial:transform": [float(n) for n in grid.affine[:6]],
        "spatial:shape": list(grid.shape),
    }


def _group_attributes(sensor: Sensor, tile: Tile, grid: GeoBox) -> Json:
    bounds = [float(n) for n in grid.boundingbox.bbox]
    return {
        "Conventions": "CF-1.11",
        "title": f"{sensor.title} on tile {tile.id}",
        "source": software(),
        "gsd": sensor.gsd,
        "constellation": sensor.constellation,
        "grid:code": tile.grid_code,
        "attribution": sensor.attribution,
        "license": sensor.license,
        **_conventions(tile, {**_spatial(grid), "spatial:bbox": bounds}),
        "cubestore:format": FORMAT,
        "cubestore:sensor": sensor.id,
        "cubestore:tile": tile.id,
    }


def _conventions(tile: Tile, spatial: Json) -> Json:
    """The zarr conventions, in a revision that is named so that zarr-cm's next changes no byte."""
    return dict(
        zarr_cm.create_many(
            {"proj": _proj(tile), "spatial": spatial}, revisions={"proj": "r3", "spatial": "r3"}
        )
    )


def _proj(tile: Tile) -> Json:
    if tile.crs.epsg is not None:
        return {"proj:code": f"EPSG:{tile.crs.epsg}"}
    return {"proj:wkt2": tile.crs.proj.to_wkt("WKT2_2019")}

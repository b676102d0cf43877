"""Several sensors' cubes on one grid of a tile, read when they are looked at.

    ds = store.align("31UDQ", ["sentinel-2-l2a", "landsat-c2-l2", "modis-09a1"], gsd=30)
    ds.reflectance_sentinel_2_l2a          # (time_sentinel_2_l2a, band_sentinel_2_l2a, y, x)
    s2 = align.select(ds, "sentinel-2-l2a")  # as a cube's own dataset: reflectance, time, band …

What is asked for is a window of the target. What it needs of the cubes is read, decoded (32-bit
floats, NaN where there is nothing; masks and classes as stored) and put in place:

* the same pixels: as they are, bit for bit;
* pixels that are k x k whole ones of the cube: the mean of those that have data;
* anything else: a warp. Cubes of several MODIS tiles are one mosaic before it, so that no seam
  shows between them.

Values are decoded first because interpolated integers would be rounded to the cube's step (1e-4
of reflectance), which 32-bit floats, with 6e-8 of a value, are far from. Masks, classes and
angles that run in circles are never mixed: they are the nearest pixel's.
"""

import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox

from cubestore import grids, layout
from cubestore.errors import GridMismatchError, MismatchError, UnknownCubeError
from cubestore.grids import Tile
from cubestore.mosaic import Aligned, Pixels, Resampling, Window, crop, side_by_side
from cubestore.records import COMMIT
from cubestore.sensors import Layer, Sensor, sensor

if TYPE_CHECKING:
    from cubestore.cube import Cube
    from cubestore.store import Store

METHODS = get_args(Resampling)
CIRCULAR = frozenset({"relative_azimuth_angle"})
"""Measurements that are neighbours at both ends of their range."""

SENSORS, SOURCES = "cubestore:sensors", "cubestore:sources"
"""Attributes: the sensors by id; of each, the commits of the cubes that were opened."""

JOINED = frozenset({"item_id", "source_url"})
"""Coordinates of which a slot of a mosaic keeps every tile's."""


def align(
    store: "Store",
    tile: str,
    sensors: Sequence[str],
    gsd: float,
    window: Window | None = None,
    *,
    resampling: Resampling = "bilinear",
    chunks: Mapping[str, int] | None = None,
) -> xr.Dataset:
    """Open several sensors' cubes of a tile on one grid; nothing is read but coordinates.

    Args:
        store: the cubes.
        tile: ``31UDQ``; or ``h18v04``, for sensors on that grid.
        sensors: their ids. Cubes on the MODIS grid are found for an MGRS tile too: all of the
            store that cover it, slots of one time and platform as one.
        gsd: pixel size, metres; the grid is ``tile.geobox(gsd)``.
        window: rows and columns of that grid, see `cubestore.grids.window`; None: all.
        resampling: of measurements, where the grids differ: ``bilinear``, ``cubic``, ``nearest``.
        chunks: pixels of a dask chunk along ``y`` and ``x``; where nothing is said, what is about
            a shard of the finest cube. Along time a chunk is a slot.

    Returns:
        Shared ``y``, ``x``, ``spatial_ref``; every other variable, coordinate and dim has the
        sensor's id behind its name, with _ for what is no letter or digit. In dask arrays.

    Raises:
        UnknownTileError: no such tile.
        UnknownSensorError: no such sensor.
        UnknownCubeError: the store has no such cube.
        GridMismatchError: the gsd does not fit, or the window lies outside.
        MismatchError: no sensors, or options that do not exist; a sensor on the MGRS grid for a
            MODIS tile; MODIS cubes of different bands.
    """
    place = grids.tile(tile)
    whole = place.geobox(gsd)
    rows, columns = _pixels_of(window, whole)
    known = [sensor(one) for one in _listed(sensors, resampling, chunks)]
    sides = {"y": _side(known, gsd), "x": _side(known, gsd)} | dict(chunks or {})
    edges = {"y": _edges(rows, sides["y"]), "x": _edges(columns, sides["x"])}
    target = crop(whole, rows, columns)
    views = [_view(store, place, one, target, resampling) for one in known]
    data = {name: v.chunk(_chunks(v, edges)) for view in views for name, v in view.data.items()}
    coordinates = _shared(place, whole, rows, columns)
    for view in views:
        coordinates |= view.coordinates
    return xr.Dataset(data, coordinates, _attributes(place, target, known, views))


def select(dataset: xr.Dataset, sensor_id: str) -> xr.Dataset:
    """Return one sensor's part of an aligned dataset, under the names that its cube gives them.

    Raises:
        MismatchError: the sensor is not in it.
    """
    ids = dataset.attrs.get(SENSORS, [])
    if sensor_id not in ids:
        raise MismatchError(
            f"A dataset of {', '.join(ids) or 'no sensors'}",
            expected=f"an aligned one with {sensor_id}",
            remedy="name it in Store.align",
        )
    end = suffix(sensor_id)
    own = {name: str(name).removesuffix(end) for name in dataset.variables}
    part = dataset[[name for name in dataset.data_vars if own[name] != name]]
    others = [suffix(one) for one in ids if one != sensor_id]  # of which one slot was chosen
    part = part.drop_vars([n for n in part.coords if str(n).endswith(tuple(others))])
    names = {n: str(n).removesuffix(end) for n in (*part.variables, *part.dims)}
    attributes = {**dataset.attrs, "cubestore:sensor": sensor_id}
    return part.rename({n: new for n, new in names.items() if n != new}).assign_attrs(attributes)


def suffix(sensor_id: str) -> str:
    """Return what stands behind the names of a sensor's variables: ``_sentinel_2_l2a``."""
    return "_" + re.sub("[^0-9A-Za-z]", "_", sensor_id)


# What is asked for.


def _listed(sensors: Sequence[str], resampling: str, chunks: Mapping[str, int] | None) -> list[str]:
    ids = list(dict.fromkeys([sensors] if isinstance(sensors, str) else sensors))
    axes = set(chunks or {})
    if not ids or resampling not in METHODS or not axes <= {"y", "x"}:
        raise MismatchError(
            f"{len(ids)} sensors, {resampling!r}, chunks along {', '.join(axes) or 'no dim'}",
            expected=f"at least one sensor, one of {', '.join(METHODS)}, chunks along y and x",
            remedy="say chunks of time and band with .chunk() afterwards",
        )
    return ids


def _pixels_of(window: Window | None, grid: GeoBox) -> Window:
    """Return the window with both ends of each slice, from 0."""
    asked = window or (slice(None), slice(None))
    ranges = [range(n)[part] for part, n in zip(asked, grid.shape, strict=True)]
    if not all(len(r) and r.step == 1 for r in ranges):
        raise GridMismatchError(
            f"A window of {asked}",
            expected=f"slices without a step that meet the {grid.shape.y} x {grid.shape.x} pixels",
            remedy="see cubestore.grids.window for that of some bounds",
        )
    rows, columns = (slice(r.start, r.stop) for r in ranges)
    return rows, columns


def _side(known: Sequence[Sensor], gsd: float) -> int:
    """Return the pixels along a chunk: a shard of the finest cube, or as many."""
    times = max(1, math.ceil(gsd / min(one.gsd for one in known)))
    return max(layout.CHUNK, layout.SHARD // times)


def _edges(part: slice, side: int) -> tuple[int, ...]:
    """Return the lengths of chunks that end where those of the whole tile do."""
    inner = range(part.start // side * side + side, part.stop, side)
    return tuple(np.diff([part.start, *inner, part.stop]).tolist())


def _chunks(variable: xr.Variable, edges: Mapping[str, tuple[int, ...]]) -> dict[Hashable, Any]:
    return {dim: edges.get(str(dim), -1) for dim in variable.dims} | {variable.dims[0]: 1}


# What is given.


def _shared(place: Tile, whole: GeoBox, rows: slice, columns: slice) -> dict[str, xr.Variable]:
    values, target = layout.space_values(whole), crop(whole, rows, columns)
    transform = " ".join(repr(float(n)) for n in target.affine.to_gdal())
    reference = place.crs.proj.to_cf() | {"GeoTransform": transform}
    y = xr.Variable("y", values["y"][rows], _axis("y", whole.affine.e))
    x = xr.Variable("x", values["x"][columns], _axis("x", whole.affine.a))
    return {"y": y, "x": x, "spatial_ref": xr.Variable((), values["spatial_ref"], reference)}


def _axis(name: str, resolution: float) -> dict[str, Any]:
    standard = f"projection_{name}_coordinate"
    return {"standard_name": standard, "units": "m", "axis": name.upper(), "resolution": resolution}


def _attributes(
    place: Tile, target: GeoBox, known: Sequence[Sensor], views: Sequence["_View"]
) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "title": f"{', '.join(one.title for one in known)} on one grid of tile {place.id}",
        "gsd": float(target.affine.a),
        "grid:code": place.grid_code,
        "attribution": "; ".join(dict.fromkeys(one.attribution for one in known)),
        "license": "; ".join(dict.fromkeys(one.license for one in known)),
        "cubestore:tile": place.id,
        SENSORS: [one.id for one in known],
        SOURCES: {one.id: view.commits for one, view in zip(known, views, strict=True)},
    }


@dataclass(frozen=True, slots=True)
class _View:
    """What one sensor adds to the dataset."""

    data: dict[str, xr.Variable]
    coordinates: dict[str, xr.Variable]
    commits: dict[str, Any]


def _view(
    store: "Store", place: Tile, one: Sensor, target: GeoBox, resampling: Resampling
) -> _View:
    cubes = _cubes(store, place, one)
    opened = [cube.open() for cube in cubes]
    _refuse_other_bands(cubes, opened)
    slots = _matched(opened)
    places = [layout.geobox(one, cube.tile) for cube in cubes]
    end, layers = suffix(one.id), layout.layers_of(one, [n.name for n in one.optional_layers])
    data = {}
    for layer in (one.pixels, *layers):
        if all(layer.name in dataset for dataset in opened):
            variables = [dataset[layer.name].variable for dataset in opened]
            mosaic = side_by_side(variables, places, slots, _nodata(layer))
            array = Aligned(mosaic, target, _method(layer, resampling))
            data[f"{layer.name}{end}"] = array.variable(variables[0], end)
    return _View(
        data=data,
        coordinates={f"{n}{end}": v for n, v in _coordinates(opened, slots, end).items()},
        commits={cube.tile.id: d.attrs[COMMIT] for cube, d in zip(cubes, opened, strict=True)},
    )


def _cubes(store: "Store", place: Tile, one: Sensor) -> "list[Cube]":
    """Return the sensor's cubes that cover a tile, at least one."""
    if one.grid == place.grid:
        return [store.cube(place.id, one.id)]
    if one.grid != "sin":
        raise MismatchError(
            f"{one.id} for the tile {place.id}",
            expected=f"a tile of the grid {one.grid!r}",
            remedy="align on such a tile: what lies on the MODIS grid is carried there",
        )
    covering = [tile.id for tile in grids.tiles_covering(place.footprint, one.grid)]
    found = [cube for cube in (_there(store, tile, one) for tile in covering) if cube]
    return found or [store.cube(covering[0], one.id)]


def _there(store: "Store", tile: str, one: Sensor) -> "Cube | None":
    try:
        return store.cube(tile, one.id)
    except UnknownCubeError:
        return None


def _refuse_other_bands(cubes: "Sequence[Cube]", opened: Sequence[xr.Dataset]) -> None:
    bands = [" ".join(map(str, dataset.band.values)) for dataset in opened]
    for cube, other in zip(cubes, bands, strict=True):
        if other != bands[0]:
            raise MismatchError(
                f"{cube.path} holds the bands {other}",
                expected=f"those of {cubes[0].tile.id}: {bands[0]}",
                remedy="build neighbouring cubes with the same bands, in one order",
            )


def _measured(layer: Layer) -> bool:
    """Whether the opened variable is floats with NaN."""
    return layer.masked or layer.dtype.kind == "f"


def _method(layer: Layer, resampling: Resampling) -> Resampling:
    return resampling if _measured(layer) and layer.name not in CIRCULAR else "nearest"


def _nodata(layer: Layer) -> float:
    return math.nan if _measured(layer) else layer.nodata


# Slots.


def _matched(opened: Sequence[xr.Dataset]) -> list[list[int]]:
    """Return, for each cube, where in it the slots of all lie in order of time; -1: nowhere."""
    indexes = [_keys(dataset) for dataset in opened]
    keys = sorted(set().union(*indexes)) if len(indexes) > 1 else list(indexes[0])
    return [[index.get(key, -1) for key in keys] for index in indexes]


def _keys(dataset: xr.Dataset) -> dict[tuple[int, str, int], int]:
    """Return where a cube's slots are by time, platform, and count where those are the same."""
    times = dataset.time.values.astype("int64").tolist()
    seen: Counter[tuple[int, str]] = Counter()
    index = {}
    for slot, key in enumerate(zip(times, map(str, dataset.platform.values), strict=True)):
        index[*key, seen[key]] = slot
        seen[key] += 1
    return index


def _coordinates(
    opened: Sequence[xr.Dataset], slots: Sequence[Sequence[int]], end: str
) -> dict[Hashable, xr.Variable]:
    """Return the coordinates on time and band, on the sensor's own dims."""
    found = {}
    for name, coordinate in opened[0].coords.items():
        if coordinate.dims == ("time",):
            values = _agreed(str(name), opened, slots)
            found[name] = xr.Variable(f"time{end}", values, coordinate.attrs)
        elif coordinate.dims == ("band",):
            found[name] = xr.Variable(f"band{end}", coordinate.values, coordinate.attrs)
    return found


def _agreed(name: str, opened: Sequence[xr.Dataset], slots: Sequence[Sequence[int]]) -> Pixels:
    """Return what a mosaic's slots know: what their tiles agree on, or say together."""
    values = [dataset[name].values for dataset in opened]
    if len(values) == 1:
        return values[0]
    agreed = [
        _one_of(name, [v[slot] for v, slot in zip(values, places, strict=True) if slot >= 0])
        for places in zip(*slots, strict=True)
    ]
    return np.array(agreed, values[0].dtype)


def _one_of(name: str, said: Sequence[Any]) -> Any:  # noqa: ANN401 - a coordinate's
    if len(set(map(str, said))) == 1:  # as text, for NaN is not equal to NaN
        return said[0]
    if name in JOINED:
        return " ".join(dict.fromkeys(said))
    return max(said) if isinstance(said[0], np.datetime64) else layout.TIME_COORDINATES[name][1]

"""The index and the training files as stacchip's users know them, from the chips of a store.

    DIR/index/{platform}/{item}/index_{item}.parquet   the chips, seven columns, row by row
    DIR/{platform}/{item}/stac_item.json               where they are from
    DIR/mode_v1_chipper_v2/{platform}/cube_{k}.npz     their pixels, 128 chips a file

An ITEM is one slot of one cube. Its id is that of its STAC items, joined with "_"; where scenes
lie on more tiles than one, the tile's id follows. Chips at the edge of a cube, of which stacchip
has none, and those of which more than half is nodata are left out. Cloud and nodata are those of
the index: for stacchip's own make it with ``compat="stacchip"``.

As published: week and hour are those of noon, whatever the time. Not as published: chips are
drawn without replacement, the last file may be shorter, and ``lon_norm`` is the longitude's. In
stacchip's own files it is the latitude's, and ``lat_norm`` the longitude's: ``compat="stacchip"``
swaps them here too.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyproj
import shapely
import xarray as xr
from numpy.typing import NDArray

from cubestore import disk, layout, reader
from cubestore.cube import Cube
from cubestore.errors import MismatchError, QueryError
from cubestore.index.query import Place, scan
from cubestore.index.rules import COMPAT, STACCHIP
from cubestore.index.selection import files
from cubestore.records import dump
from cubestore.sensors import Sensor
from cubestore.store import Store, open_store

PLATFORMS: Mapping[str, str] = {
    "sentinel-2-l2a": "sentinel-2-l2a",
    "landsat-c2-l1": "landsat-c2l1",
    "landsat-c2-l2": "landsat-c2l2-sr",
    "naip": "naip",
    "linz": "linz",
    "sentinel-1-rtc": "sentinel-1-rtc",
    "modis-09a1": "modis",
}
"""Sensor -> what stacchip calls it."""

OWN_TILES = frozenset({"sentinel-2-l2a", "modis-09a1"})
"""Sensors whose items lie on one tile each."""

SOURCE_NODATA: Mapping[str, float] = {"sentinel-2-l2a": 0, "sentinel-1-rtc": -32768}
"""What stands for nodata in the products, where the store has another value."""

MOST_NODATA, MOST_NODATA_OF_PIXELS = 0.5, 0.05
"""Fractions of a chip: stacchip's ``chip_max_nodata`` of the index, and of training files."""

VERSION, TOGETHER, SEED, NOON = "mode_v1_chipper_v2", 128, 42, 12

LONGEST = 120
"""Letters of an item's id: file systems take names of 255."""

COLUMNS = (
    "slot",
    "time",
    "chip_index_x",
    "chip_index_y",
    "chip_size",
    "cloud_cover_percentage",
    "nodata_percentage",
    "geometry",
    "bbox",
)


@dataclass(slots=True)
class Exported:
    """What was written."""

    directory: str
    items: dict[str, int] = field(default_factory=dict)
    """Platform -> items."""

    chips: dict[str, int] = field(default_factory=dict)
    """Platform -> chips in their indexes."""

    pixels: dict[str, int] = field(default_factory=dict)
    """Platform -> chips in training files."""


def export_chips(
    store: Place,
    directory: str | os.PathLike[str],
    *,
    pixels: bool = False,
    compat: str = "",
    **question: Any,  # noqa: ANN401 - those of scan
) -> Exported:
    """Write the chips that meet every condition as stacchip's indexes, and their pixels if wanted.

    Args:
        store: a store, or the path or address of one; it is indexed.
        directory: where to.
        pixels: write training files too, of chips of which at most 5 % is nodata.
        compat: ``stacchip`` writes longitude and latitude into training files as it does: swapped.
        question: see :func:`cubestore.index.scan`, without ``columns``.

    Raises:
        NoIndexError: the store has no index, or none of that sensor, tile or size.
        QueryError: a question that cannot be understood, or a sensor that stacchip does not know.
        MismatchError: a cube whose bands are not the sensor's standard ones, for training files.
        NotWritableError: the disk is read-only or full.
    """
    opened = store if isinstance(store, Store) else open_store(store)
    if compat not in COMPAT:
        raise QueryError(f"compat {compat!r}", expected=STACCHIP, remedy="leave it out, or name it")
    told = Exported(os.fspath(directory))
    drawn: dict[str, list[_Chips]] = {}
    for chips in _cubes(opened, question):
        with disk.writable(Path(directory)):
            _write_items(Path(directory), chips, told)
        if pixels:
            drawn.setdefault(chips.platform, []).append(chips.with_pixels())
    for platform, parts in drawn.items():
        with disk.writable(Path(directory)):
            swapped = compat == STACCHIP
            told.pixels[platform] = _write_pixels(Path(directory), platform, parts, swapped=swapped)
    return told


@dataclass(frozen=True, slots=True)
class _Chips:
    """The chips of a cube that are written."""

    cube: Cube
    dataset: xr.Dataset
    """As stored, slots in the order of arrival."""

    table: pa.Table

    @property
    def platform(self) -> str:
        return PLATFORMS[self.cube.sensor.id]

    def with_pixels(self) -> "_Chips":
        """Return those of which training files are made."""
        enough = pc.field("nodata_percentage") <= pa.scalar(MOST_NODATA_OF_PIXELS, pa.float32())
        return _Chips(self.cube, self.dataset, self.table.filter(enough))

    def date(self, slot: int) -> np.datetime64:
        """Return a slot's day; a composite's is its last, as stacchip has it."""
        name = "time_end" if self.cube.sensor.composite else "time"
        day: np.datetime64 = self.dataset[name].values[slot].astype("datetime64[D]")
        return day


def _cubes(store: Store, question: Mapping[str, Any]) -> Iterator[_Chips]:
    """Yield the chips that are asked for, cube by cube."""
    asked = {name: question.get(name) for name in ("sensor", "tile", "chip_size")}
    names = files(store, **asked)
    strange = sorted({name.sensor for name in names} - set(PLATFORMS))
    if strange and asked["sensor"] is not None:
        raise QueryError(
            f"stacchip knows no {', '.join(strange)}",
            expected=f"some of {', '.join(PLATFORMS)}",
            remedy="name others with --sensor",
        )
    for name in names:
        if name.sensor in PLATFORMS:
            one = {"sensor": name.sensor, "tile": name.tile, "chip_size": name.size}
            table = scan(store, **{**question, **one}, columns=COLUMNS)
            cube = store.cube(name.tile, name.sensor)
            opened = reader.dataset(cube.path, cube.root(), mask_and_scale=False)
            yield _Chips(cube, opened, _fit(table, cube, name.size))


def _fit(table: pa.Table, cube: Cube, size: int) -> pa.Table:
    """Return the chips that stacchip would have, in its order: slot by slot, row by row."""
    shape = layout.geobox(cube.sensor, cube.tile).shape
    inside = (pc.field("chip_index_x") < shape.x // size) & (
        pc.field("chip_index_y") < shape.y // size
    )
    table = table.filter(inside & (pc.field("nodata_percentage") <= MOST_NODATA))
    order = [(name, "ascending") for name in ("slot", "chip_index_y", "chip_index_x")]
    return table.sort_by(order)


# Items.


def item_name(items: str, sensor: str, tile: str) -> str:
    """Return the id under which a slot is exported.

    Args:
        items: the ids of its STAC items, joined with a space.
        sensor: the sensor's id.
        tile: the tile's id.
    """
    words = [re.sub(r"[^A-Za-z0-9._-]", "_", word).lstrip(".") or "_" for word in items.split()]
    name = "_".join(words)
    if len(name) > LONGEST:
        digest = hashlib.sha256(items.encode()).hexdigest()[:8]
        name = f"{words[0][:LONGEST]}_and_{len(words) - 1}_more_{digest}"
    return name if sensor in OWN_TILES else f"{name}_{tile}"


def _write_items(directory: Path, chips: _Chips, told: Exported) -> None:
    slots = chips.table["slot"].to_numpy()
    for slot, start, count in zip(*np.unique(slots, return_index=True, return_counts=True)):  # noqa: B905 - three of one length
        name = _name(chips, int(slot))
        table = _index(chips.table.slice(int(start), int(count)), name, chips.date(int(slot)))
        index = directory / "index" / chips.platform / name / f"index_{name}.parquet"
        _put(index, _parquet(table))
        item = _item(chips, int(slot), name)
        _put(directory / chips.platform / name / "stac_item.json", dump(item))
        told.items[chips.platform] = told.items.get(chips.platform, 0) + 1
        told.chips[chips.platform] = told.chips.get(chips.platform, 0) + len(table)


def _name(chips: _Chips, slot: int) -> str:
    items = str(chips.dataset.item_id.values[slot])
    return item_name(items, chips.cube.sensor.id, chips.cube.tile.id)


def _index(table: pa.Table, name: str, date: np.datetime64) -> pa.Table:
    """Return an index in stacchip's columns."""
    x, y = (table[f"chip_index_{axis}"].combine_chunks() for axis in "xy")
    ids = pc.binary_join_element_wise(name, x.cast(pa.string()), y.cast(pa.string()), "-")
    return pa.table(
        {
            "chipid": ids,
            "date": pa.array(np.full(len(table), date)),
            "chip_index_x": x,
            "chip_index_y": y,
            "cloud_cover_percentage": table["cloud_cover_percentage"],
            "nodata_percentage": table["nodata_percentage"],
            "geometry": table["geometry"],
        }
    )


def _parquet(table: pa.Table) -> bytes:
    column = {
        "encoding": "WKB",
        "geometry_types": [],
        "crs": pyproj.CRS("OGC:CRS84").to_json_dict(),
    }
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": column}}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _item(chips: _Chips, slot: int, name: str) -> dict[str, Any]:
    """Return a STAC item of a slot: whose it is, and where its pixels lie."""
    cube, grid = chips.cube, layout.geobox(chips.cube.sensor, chips.cube.tile)
    footprint, known = cube.tile.footprint, chips.dataset.isel(time=slot)
    west, south, east, north = (float(n) for n in footprint.bounds)
    if footprint.geom_type == "MultiPolygon":
        (west, _, _, _), (_, _, east, _) = sorted(p.bounds for p in footprint.geoms)[::-1]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
        "id": name,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": [west, south, east, north],
        "properties": {
            **_times(known, cube.sensor),
            "platform": str(known.platform.item()),
            "constellation": cube.sensor.constellation,
            "gsd": float(cube.sensor.gsd),
            **_projection(cube),
            "proj:shape": list(grid.shape),
            "proj:transform": [float(n) for n in grid.affine[:6]],
            "cubestore:items": str(known.item_id.item()).split(),
            "cubestore:slot": slot,
        },
        "links": [],
        "assets": {
            "cube": {
                "href": cube.path,
                "type": "application/vnd.zarr; version=3",
                "roles": ["data"],
                "bands": [{"name": str(band)} for band in known.band.values],
            }
        },
    }


def _times(known: xr.Dataset, sensor: Sensor) -> dict[str, str]:
    start = f"{known.time.values.astype('datetime64[us]')}Z"
    if not sensor.composite:
        return {"datetime": start}
    end = f"{known.time_end.values.astype('datetime64[us]')}Z"
    return {"datetime": end, "start_datetime": start, "end_datetime": end}


def _projection(cube: Cube) -> dict[str, Any]:
    code = cube.tile.crs.epsg
    if code is None:
        return {"proj:wkt2": cube.tile.crs.proj.to_wkt("WKT2_2019")}
    return {"proj:code": f"EPSG:{code}", "proj:epsg": code}


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.replace(path, data, synced=False)


# Training files.


def _write_pixels(directory: Path, platform: str, parts: Sequence[_Chips], *, swapped: bool) -> int:
    """Write the pixels of all chips of a platform, in a random order; return how many."""
    places = [(part, row) for part in range(len(parts)) for row in range(len(parts[part].table))]
    order = np.random.default_rng(SEED).permutation(len(places))
    for number, start in enumerate(range(0, len(order), TOGETHER)):
        some = [places[k] for k in order[start : start + TOGETHER]]
        chips = [_chip(parts[part], row, swapped=swapped) for part, row in some]
        arrays: dict[str, Any] = {
            n: np.stack([c[n] for c in chips], dtype=np.float32) for n in chips[0]
        }
        with BytesIO() as file:
            np.savez_compressed(file, **arrays)
            _put(directory / VERSION / platform / f"cube_{number}.npz", file.getvalue())
    return len(places)


def _chip(chips: _Chips, row: int, *, swapped: bool) -> dict[str, NDArray[Any]]:
    """Return a chip's pixels, and its place and time as angles on circles."""
    told = {name: chips.table[name][row].as_py() for name in COLUMNS if name != "geometry"}
    box, week = told["bbox"], _week(chips.date(told["slot"]))
    lon, lat = ((box[f"{axis}min"] + box[f"{axis}max"]) / 2 for axis in "xy")
    lon += 180 if box["xmin"] > box["xmax"] else 0
    place = {"lon_norm": _circle(np.radians(lon)), "lat_norm": _circle(np.radians(lat))}
    if swapped:
        place = dict(zip(place, reversed(place.values()), strict=True))
    return {
        "pixels": _pixels(chips, told),
        **place,
        "week_norm": _circle(week * 2 * np.pi / 52),
        "hour_norm": _circle(NOON * 2 * np.pi / 24),
    }


def _week(day: np.datetime64) -> int:
    return date.fromisoformat(str(day)).isocalendar().week


def _circle(angle: float) -> NDArray[np.float64]:
    return np.array([np.sin(angle), np.cos(angle)])


def _pixels(chips: _Chips, told: Mapping[str, Any]) -> NDArray[Any]:
    """Return a chip's pixels as the product has them, in the sensor's standard bands."""
    sensor, size = chips.cube.sensor, told["chip_size"]
    names = [band.name for band in sensor.bands]
    there = [str(band) for band in chips.dataset.band.values]
    if not set(names) <= set(there):
        raise MismatchError(
            f"{chips.cube.path} holds the bands {' '.join(there)}",
            expected=f"those of stacchip's training files: {' '.join(names)}",
            remedy="leave the cube out with --tile or --sensor",
        )
    y, x = (told[f"chip_index_{axis}"] * size for axis in "yx")
    pixels = chips.dataset[sensor.pixels.name].isel(time=told["slot"])
    values = pixels[:, y : y + size, x : x + size].values[[there.index(n) for n in names]]
    missing = np.isnan(values) if values.dtype.kind == "f" else values == sensor.pixels.nodata
    nodata = SOURCE_NODATA.get(sensor.id, sensor.pixels.nodata)
    return np.where(missing, values.dtype.type(nodata), values)

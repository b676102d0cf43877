"""What tests of real files share: the program as a user runs it, and other readings of a file.

Nothing expected comes from the program's own code: rasterio reads, pyproj says what lies where.
"""

import copy
import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapely
import xarray as xr
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from cubestore_pipelines.cli import main

EDGE = 1e-4
"""Pixels from an edge of the source within which a centre may lie on either side."""

BESIDE = 300
"""Pixels around a window in which nothing may be."""


@dataclass(frozen=True)
class Done:
    """What the program printed."""

    stdout: str
    stderr: str


def cubestore(*arguments, check=0):
    """Run the program in this process, which ends as it should, and never with a traceback."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = main([str(argument) for argument in arguments])
    done = Done(out.getvalue(), err.getvalue())
    assert status == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


@dataclass(frozen=True)
class Store:
    """A store that the program builds, and what plain xarray opens of it."""

    path: Path
    scheduler: str

    def build(self, catalog, sensors, tiles, *options, check=0):
        """Build, and return the store with what the program ended with."""
        where = ["--catalog", catalog, "--sensor", _listed(sensors), "--tile", _listed(tiles)]
        how = ["--scheduler", self.scheduler, "--json"]
        return Built(self, cubestore("build", self.path, *where, *options, *how, check=check))

    def folder(self, tile, sensor):
        """Return where a cube lies."""
        return self.path / ("sin" if tile.startswith("h") else "mgrs") / tile / sensor

    def cubes(self):
        """Return what plain xarray finds in the store."""
        return [path.parent for path in sorted(self.path.glob("*/*/*/zarr.json"))]

    def open(self, tile, sensor):
        """Return a cube's numbers as they are stored."""
        return xr.open_zarr(self.folder(tile, sensor), mask_and_scale=False, chunks=None)


def _listed(names):
    return names if isinstance(names, str) else ",".join(names)


@dataclass(frozen=True)
class Built:
    """A store, and what a build of it ended with."""

    store: Store
    done: Done

    def open(self, tile, sensor):
        """Return a cube's numbers as they are stored."""
        return self.store.open(tile, sensor)

    @property
    def slots(self):
        """How many the build committed, and how many it left as they were."""
        told = json.loads(self.done.stdout)
        return told["committed"], told["unchanged"]


class Source:
    """A file, and what of it lies under the centres of a cube's pixels."""

    def __init__(self, path, cube, ground=0):
        """Find what of ``cube`` the file covers, and ``ground`` metres around."""
        with rasterio.open(path) as file:
            crs, self.shape, self.affine = file.crs.to_wkt(), file.shape, file.transform
            grid = pyproj.CRS(cube.spatial_ref.attrs["crs_wkt"])
            self.window = _window(cube, crs, file.bounds, grid, ground)
            part = cube.isel(self.window)
            back = pyproj.Transformer.from_crs(grid, crs, always_xy=True)
            at = back.transform(*np.meshgrid(part.x.values, part.y.values))
            self.across, self.down = ~self.affine * at
            self.column, self.row = (np.floor(v).astype(int) for v in (self.across, self.down))
            self._read(file)
        self.doubt = np.zeros(self.across.shape, bool)
        for place in (self.across, self.down):
            self.doubt |= np.abs(place - np.rint(place)) < EDGE
        self.inside = self._there(self.row, self.column)

    def beside(self, path):
        """Return the same of another file on the same grid."""
        with rasterio.open(path) as file:
            assert (file.shape, file.transform) == (self.shape, self.affine)
            twin = copy.copy(self)
            twin._read(file)
        return twin

    def _read(self, file):
        """Read what lies under the window, and a pixel around."""
        (top, bottom), (left, right) = (
            (max(0, at.min() - 1), min(size, at.max() + 2))
            for at, size in zip((self.row, self.column), self.shape, strict=True)
        )
        self._first = top, left
        self.pixels = file.read(window=Window(left, top, right - left, bottom - top))

    def _there(self, row, column):
        rows, columns = self.shape
        return (row >= 0) & (row < rows) & (column >= 0) & (column < columns)

    def _at(self, index, row, column):
        """Return a band's pixels, of which those outside are some others."""
        (top, left), (rows, columns) = self._first, self.pixels.shape[1:]
        down, along = (np.clip(row - top, 0, rows - 1), np.clip(column - left, 0, columns - 1))
        return self.pixels[index - 1][down, along]

    def under(self, index, fill=0):
        """Return a band's pixels under the centres, and ``fill`` outside of the file."""
        values = self._at(index, self.row, self.column)
        return np.where(self.inside, values, np.array(fill, values.dtype))

    def bilinear(self, index, empty=()):
        """Interpolate between the four pixels around each centre, of which the empty do not count.

        NaN where the pixel that contains the centre has no data.
        """
        x, y = self.across - 0.5, self.down - 0.5
        total, weights = np.zeros(x.shape), np.zeros(x.shape)
        for down, along in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row, column = np.floor(y).astype(int) + down, np.floor(x).astype(int) + along
            values = self._at(index, row, column)
            valid = self._there(row, column) & ~np.isin(values, empty)
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * valid
            total, weights = total + weight * np.where(valid, values, 0), weights + weight
        there = self.inside & ~np.isin(self._at(index, self.row, self.column), empty)
        return np.divide(total, weights, out=np.full(x.shape, np.nan), where=there & (weights > 0))

    def check(self, cube, index, values, name):
        """Hold a cube's window against expected values, where no centre is in doubt."""
        assert self.doubt.mean() < 0.02
        got = cube.isel(self.window).values
        np.testing.assert_array_equal(
            got[~self.doubt], values[~self.doubt], err_msg=f"{name} {index}"
        )


def _window(cube, crs, bounds, grid, ground):
    """Return what of a cube lies in a file's bounds."""
    west, south, east, north = pyproj.Transformer.from_crs(
        crs, grid, always_xy=True
    ).transform_bounds(*bounds)
    inside = (cube.x > west - ground) & (cube.x < east + ground)
    within = (cube.y > south - ground) & (cube.y < north + ground)
    window = {"x": np.flatnonzero(inside), "y": np.flatnonzero(within)}
    return {dim: slice(at[0], at[-1] + 1) for dim, at in window.items()}


def is_empty_outside(pixels, window, nodata):
    """Whether nothing but nodata lies outside of a window, in what was stored at all."""
    top, bottom = window["y"].start, window["y"].stop
    left, right = window["x"].start, window["x"].stop
    size = dict(pixels.sizes)
    beside = [
        {"y": slice(max(0, top - BESIDE), top), "x": slice(left, right)},
        {"y": slice(bottom, min(size["y"], bottom + BESIDE)), "x": slice(left, right)},
        {"x": slice(max(0, left - BESIDE), left), "y": slice(top, bottom)},
        {"x": slice(right, min(size["x"], right + BESIDE)), "y": slice(top, bottom)},
    ]
    return all(
        np.array_equal(
            values := pixels.isel(one).values, np.full_like(values, nodata), equal_nan=True
        )
        for one in beside
    )


# Catalogues of one's own.


def bounds(path):
    """Return the box of a file in lon/lat."""
    with rasterio.open(path) as file:
        return transform_bounds(file.crs, "EPSG:4326", *file.bounds)


def ring(west, south, east, north):
    """Return the corners of a box as GeoJSON has them."""
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def stac_item(item_id, collection, when, footprint, files, **properties):
    """Return an item of some files: a name for each, and a path."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": item_id,
        "collection": collection,
        "geometry": json.loads(shapely.to_geojson(footprint)),
        "properties": {"datetime": when} | properties,
        "assets": {name: {"href": str(path), "roles": ["data"]} for name, path in files.items()},
        "links": [],
    }


def feature(item_id, collection, day, files, **properties):
    """Return an item of some files that lies where the first of them does."""
    box = shapely.box(*bounds(next(iter(files.values()))))
    return stac_item(item_id, collection, f"{day}T12:00:00Z", box, files, **properties)


def write_items(path, features):
    """Write items as an ItemCollection."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def write_area(path, boxes):
    """Write boxes in lon/lat as the file of an area."""
    features = [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": ring(*box)},
        }
        for box in boxes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path

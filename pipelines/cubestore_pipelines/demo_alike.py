"""The demo's last part: a model's vectors of chips, for other software, and which look alike."""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

import cubestore
from cubestore.chips import ChipGrid
from cubestore.embeddings.export import export_embeddings
from cubestore_pipelines.demo_step import Step
from cubestore_pipelines.simulate.archive import TILE

SENSOR, MODEL = "sentinel-1-rtc", "rcf"
"""The radar has two slots of a few chips, which take seconds; the model needs no weights."""

EYE = "sentinel-2-l2a"
"""What the radar found is shown in the colours of this one, on the same pixels."""

BRIGHT = 2500
"""As it stores what is shown white: a reflectance of 0.25."""

ALIKE = 4
"""Chips of the picture: the one that is asked with, and its nearest."""

EXPORTED, PICTURE = "exported", "alike.png"
BETWEEN = 16
"""Pixels between the chips of the picture, black."""

Levels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Alike:
    """The chips that are most like one, the one itself first."""

    command: str
    chipids: tuple[str, ...]
    distances: tuple[float, ...]


def vectors(directory: Path) -> Iterator[Step]:
    """Embed what the radar saw, and export what came of it.

    Args:
        directory: of the store.
    """
    command = f"cubestore embed {directory} --model {MODEL} --tile {TILE} --sensor {SENSOR}"
    if importlib.util.find_spec("torch") is None:
        yield Step(command, "left out: pip install 'cubestore[model]' for it, it needs torch")
        return
    chips = _embedded(directory)
    yield Step(command, f"{chips} chips have their vectors beside the pixels")
    (file,) = export_embeddings(directory, directory / EXPORTED, model=MODEL, tile=TILE)
    command = f"cubestore export embeddings {directory} {directory / EXPORTED} --tile {TILE}"
    yield Step(command, f"{file.rows} rows of GeoParquet in {Path(file.path).name}")


def alike(directory: Path) -> Alike | None:
    """Ask for the chips that are most like the first; None where nothing was embedded."""
    cube = cubestore.open_store(directory).cube(TILE, SENSOR)
    if not cubestore.embeddings.listed(cube):
        return None
    lon, lat = _place(cube)
    day = str(cube.open().time.values[-1])[:10]
    which = {"sensor": SENSOR, "datetime": f"{day}/{day}"}
    found = cubestore.nearest(directory, model=MODEL, at=(lon, lat), k=ALIKE, **which)
    command = f"cubestore nearest {directory} --model {MODEL} --at {lon:.4f} {lat:.4f}"
    command += f" --sensor {SENSOR} --datetime {day}/{day} --k {ALIKE}"
    return Alike(command, tuple(found.chipid), tuple(found["distance"]))


def picture(directory: Path, found: Alike) -> Levels:
    """Return the places of chips side by side, in the colours of the eye, ``(y, x, 3)``."""
    cube = cubestore.open_store(directory).cube(TILE, EYE)
    opened = cube.open(mask_and_scale=False)
    clearest = opened.isel(time=int(np.argmax(opened.clear_fraction.values)))
    pixels = clearest.reflectance.sel(band=["B04", "B03", "B02"]).transpose("y", "x", "band")
    drawn = [_colours(pixels, chipid) for chipid in found.chipids]
    black = np.zeros((len(drawn[0]), BETWEEN, 3), np.uint8)
    return np.concatenate([part for one in drawn for part in (one, black)][:-1], axis=1)


def _embedded(directory: Path) -> int:
    """Embed the cube, and return how many of its chips have a vector."""
    from cubestore_pipelines.embed import embed  # noqa: PLC0415 - torch is for this alone

    list(embed(directory, MODEL, tile=(TILE,), sensor=(SENSOR,)))
    cube = cubestore.open_store(directory).cube(TILE, SENSOR)
    held = cubestore.embeddings.read(cube, MODEL)
    return int(np.isfinite(held.values[..., 0]).sum())


def _place(cube: cubestore.Cube) -> tuple[float, float]:
    """Return longitude and latitude of the middle of the latest slot's first chip with a vector."""
    held = cubestore.embeddings.read(cube, MODEL)
    row, column = np.argwhere(np.isfinite(held.values[-1, ..., 0]))[0].tolist()
    y, x = (held[held.dims[n]].values[k] for n, k in ((1, row), (2, column)))
    to_lonlat = pyproj.Transformer.from_crs(str(cube.tile.crs), "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(x, y)
    return float(lon), float(lat)


def _colours(pixels: xr.DataArray, chipid: str) -> Levels:
    """Return the pixels of a chip's window, 0 to 255, black where there are no data."""
    *_, size, x, y = chipid.split("-")
    grid = ChipGrid(shape=(pixels.sizes["y"], pixels.sizes["x"]), size=int(size))
    rows, columns = grid.window(int(y), int(x))
    window = np.clip(pixels[rows, columns].values / BRIGHT, 0, 1)
    levels: Levels = (window * 255).astype(np.uint8)
    return levels

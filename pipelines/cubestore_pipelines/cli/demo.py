"""The verb ``demo``: what the project does, shown on this machine in about a minute."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

from cubestore import open_store
from cubestore.errors import DamagedError
from cubestore_pipelines.cli.output import Json, plain_console, show_json, size

WIDTH = 64
"""Columns of the picture; a character shows two pixels, one above the other."""

BRIGHT = 0.25
"""Reflectance that is shown white."""

SHADES = " .:-=+*#%@"
FINE = 4
"""Pixels of the cube that a pixel of the picture stands for, in both directions."""

PICTURE = "demo.png"
Levels = NDArray[Any]


def demo(directory: Path = Path("demo"), /, *, json: Json = False) -> None:
    """Go the whole way on a simulated archive: build, verify, embed, find alike, catalogue.

    Example: cubestore demo demo

    Args:
        directory: of the store; made where it is not there, completed where it is.
        json: print one JSON object.
    """
    from cubestore_pipelines import demo as recipe  # noqa: PLC0415 - an archive is for this alone

    console = plain_console(stderr=json)
    for step in recipe.run(directory):
        console.print(f"$ {step.command}\n  {step.result}")
    store = open_store(directory)
    reports = list(store.verify())
    if any(report.damaged for report in reports):
        raise DamagedError(f"{directory} is damaged", remedy=f"run `cubestore verify {directory}`")
    files, count = sum(r.keys for r in reports), sum(r.size for r in reports)
    console.print(f"$ cubestore verify {directory}")
    console.print(f"  cubes: {len(reports)}, files: {files}, {size(count)}: all as committed")
    cube = store.cube(recipe.TILE, recipe.SENSOR)
    if json:
        show_json(cube.info())
        return
    console.print(f"\nWith nothing but xarray: xr.open_zarr({cube.path!r})\n")
    opened = xr.open_zarr(cube.path, chunks=None)
    console.print(str(opened))
    from cubestore_pipelines.picture import png  # noqa: PLC0415 - rasterio is for pictures alone

    colours = _colours(opened)
    picture = directory / PICTURE
    png(colours, picture)
    console.print(f"\nThe clearest slot, in the colours of the eye, also in {picture}:\n")
    console.print(_drawn(colours, console))
    _show_alike(directory, console)
    console.print("\nNext, see it in a browser, or with pystac-client:")
    console.print(f"$ cubestore serve {directory}")


def _show_alike(directory: Path, console: Console) -> None:
    """Show a chip and those that are most like it, side by side."""
    from cubestore_pipelines import demo_alike as alike  # noqa: PLC0415 - of the demo alone
    from cubestore_pipelines.picture import png  # noqa: PLC0415 - rasterio is for pictures alone

    found = alike.alike(directory)
    if found is None:
        return
    console.print(f"\n$ {found.command}")
    for chipid, distance in zip(found.chipids, found.distances, strict=True):
        console.print(f"  {chipid}  {distance:.4f}")
    levels, picture = alike.picture(directory, found), directory / alike.PICTURE
    png(levels, picture)
    console.print(f"\nThe chip that was asked with, and its nearest, also in {picture}:\n")
    console.print(_drawn(levels, console))


def _colours(opened: xr.Dataset) -> Levels:
    """Return red, green and blue of the clearest slot, 0 to 255, where it has data."""
    slot = opened.isel(time=int(np.argmax(opened.clear_fraction.values)))
    window = slot.reflectance.isel(y=_span(slot.cloud_class, "y"), x=_span(slot.cloud_class, "x"))
    window = window.isel(y=slice(None, None, FINE), x=slice(None, None, FINE))
    colours = window.sel(band=["B04", "B03", "B02"]).transpose("y", "x", "band").values
    levels: Levels = (np.nan_to_num(np.clip(colours / BRIGHT, 0, 1)) * 255).astype("uint8")
    return levels


def _drawn(colours: Levels, console: Console) -> Text:
    """Draw for a terminal, a character for two pixels."""
    step = max(1, colours.shape[1] // WIDTH)
    levels = colours[::step, ::step].astype(int)
    levels = levels[: len(levels) // 2 * 2]
    if not console.is_terminal:
        shades = levels.mean(axis=-1)[::2] * len(SHADES) // 256
        return Text("\n".join("".join(SHADES[int(n)] for n in line) for line in shades))
    text = Text()
    for upper, lower in zip(levels[::2], levels[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", style="rgb({},{},{}) on rgb({},{},{})".format(*above, *below))
        text.append("\n")
    return text


def _span(classes: xr.DataArray, dim: str) -> slice:
    """Return where along a dim there is data, seen on every 16th pixel."""
    coarse = classes.isel(y=slice(None, None, 16), x=slice(None, None, 16)).values
    there = np.flatnonzero((coarse != 255).any(axis=1 if dim == "y" else 0)) * 16  # noqa: PLR2004 - unknown
    return slice(int(there[0]), int(there[-1]) + 1)

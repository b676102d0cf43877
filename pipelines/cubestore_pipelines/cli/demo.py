"""The verb ``demo``: what the project does, shown on this machine in under a minute."""

from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console
from rich.text import Text

from cubestore import layout, open_store
from cubestore.errors import DamagedError
from cubestore_pipelines import demo as recipe
from cubestore_pipelines.cli.output import Json, show_json, size

WIDTH = 64
"""Columns of the picture; a character shows two pixels, one above the other."""

BRIGHT = 0.25
"""Reflectance that is shown white."""

SHADES = " .:-=+*#%@"


def demo(directory: Path = Path("demo"), /, *, json: Json = False) -> None:
    """Make a store of simulated scenes, extend it, verify it and open it with plain xarray.

    Example: cubestore demo demo

    Args:
        directory: of the store; made where it is not there, completed where it is.
        json: print one JSON object.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, stderr=json)
    for step in recipe.build(directory):
        console.print(f"{step.title:<38}{step.call}")
    cube = open_store(directory).cube(recipe.TILE, recipe.SENSOR)
    report = cube.verify()
    if report.damaged:
        raise DamagedError(f"{cube.path} is damaged", remedy=f"run `cubestore verify {directory}`")
    verified = f"{report.keys} files, {size(report.size)}, all as committed"
    console.print(f"{verified:<38}cubestore verify {directory}")
    if json:
        show_json(cube.info())
        return
    console.print(f"\nWith nothing but xarray: xr.open_zarr({cube.path!r})\n")
    opened = xr.open_zarr(cube.path, chunks=None)
    console.print(str(opened))
    console.print("\nSummer, in the colours of the eye:\n")
    console.print(_picture(opened, console))
    console.print(f"\nNext: cubestore info {directory} {recipe.TILE} {recipe.SENSOR}")


def _picture(opened: xr.Dataset, console: Console) -> Text:
    """Draw red, green and blue of the clearest slot, a character for two pixels."""
    row, column = (n * layout.SHARD for n in recipe.SHARD)
    step = layout.SHARD // WIDTH
    window = opened.reflectance.isel(
        time=int(np.argmax(opened.clear_fraction.values)),
        y=slice(row, row + layout.SHARD, step),
        x=slice(column, column + layout.SHARD, step),
    )
    colours = window.sel(band=["B04", "B03", "B02"]).transpose("y", "x", "band").values
    levels = (np.clip(colours / BRIGHT, 0, 1) * 255).astype(int)
    if not console.is_terminal:
        shades = levels.mean(axis=-1)[::2] * len(SHADES) // 256
        return Text("\n".join("".join(SHADES[int(n)] for n in line) for line in shades))
    text = Text()
    for upper, lower in zip(levels[::2], levels[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", style="rgb({},{},{}) on rgb({},{},{})".format(*above, *below))
        text.append("\n")
    return text

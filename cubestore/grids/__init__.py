"""Grids: fixed squares that cut up the Earth, each known by its id.

A `Tile` is one square in a projected CRS; cubes of the same tile line up pixel by pixel. There
are two grids: the Sentinel-2 tiles (``31UDQ``; MGRS squares in UTM) and the MODIS sinusoidal
tiles (``h18v04``). Both are formulas: nothing is read from a table.

A new grid is a module beside `mgrs` and `sinusoidal` that offers what `find.Grid` asks for, and
an entry in `find.GRIDS`.
"""

from cubestore.grids.find import GRIDS, tile, tiles_at, tiles_covering, tiles_in
from cubestore.grids.mgrs import MgrsTile
from cubestore.grids.mgrs import tiles as mgrs_tiles
from cubestore.grids.sinusoidal import SinusoidalTile
from cubestore.grids.sinusoidal import tiles as sinusoidal_tiles
from cubestore.grids.tiles import Tile, window

__all__ = [
    "GRIDS",
    "MgrsTile",
    "SinusoidalTile",
    "Tile",
    "mgrs_tiles",
    "sinusoidal_tiles",
    "tile",
    "tiles_at",
    "tiles_covering",
    "tiles_in",
    "window",
]

"""The verbs ``sample …``: which tiles and places a data set is made of.

What draws is loaded when it is asked for: geopandas takes half a second.
"""

from cyclopts import App

from cubestore_pipelines.cli.sampling import places, tiles
from cubestore_pipelines.cli.verbs import VERBS

sample = App(
    name="sample",
    help=VERBS["sample"].help,
    help_format="plaintext",
)
sample.command(tiles.landcover)
sample.command(tiles.clay_v1, name="clay-v1")
sample.command(tiles.clay_v01, name="clay-v0.1")
sample.command(tiles.sin)
sample.command(places.naip)
sample.command(places.linz)
sample.command(places.ssl4eo)

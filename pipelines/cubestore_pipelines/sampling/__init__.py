"""Which tiles and places a data set is made of: the published rules, and their tables.

    from cubestore_pipelines import sampling

    sampling.landcover("worldcover/", "landcover.fgb")
    sampling.clay_v1("landcover.fgb").tiles

A module a rule. Each gives a table with a row a tile, which ``cubestore build --tiles`` takes, or
a row a place, for ``--aoi``. What is drawn at random is the same for a seed on every machine.
"""

from cubestore_pipelines.sampling.clay import ClaySample, clay_v01, clay_v1, split_highest
from cubestore_pipelines.sampling.landcover import LandCover, landcover
from cubestore_pipelines.sampling.linz import LinzSample, linz
from cubestore_pipelines.sampling.naip import naip
from cubestore_pipelines.sampling.sin import sin
from cubestore_pipelines.sampling.ssl4eo import ssl4eo

__all__ = [
    "ClaySample",
    "LandCover",
    "LinzSample",
    "clay_v01",
    "clay_v1",
    "landcover",
    "linz",
    "naip",
    "sin",
    "split_highest",
    "ssl4eo",
]

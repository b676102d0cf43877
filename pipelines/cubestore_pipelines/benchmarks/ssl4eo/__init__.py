"""SSL4EO-S12, v1 and v1.1: places seen by Sentinel-1 and Sentinel-2 in four seasons, unlabelled.

    import_ssl4eo("SSL4EO-S12", "STORE")                        # -> patches/ssl4eo-s12/v1
    import_ssl4eo("SSL4EO-S12", "STORE", choices=Choices(resample=True, uint8="mean-2std"))

One set holds all sensors: variables ``s2c``, ``s2a``, ``s1`` of v1, ``s2l1c``, ``s2l2a``,
``s1grd`` of v1.1, on ``(patch, season, band, y, x)``. v1's bands of 20 m and 60 m keep their own
size in variables of their own (``s2c_20m`` 132, ``s2c_60m`` 44 pixels) unless they are resampled;
all variables have the patches and the seasons in one order, so that batches of each that are not
shuffled go side by side. The attribute ``ssl4eo_s12`` has the published means and deviations in
the numbers that are stored: with 1000 too much for v1.1, as long as that is not removed.

`published` says what the data set is; `folders` reads v1 and `chunkfiles` v1.1, both as `patch`;
`parts` are a set's variables and `stacking` fills them.
"""

from cubestore_pipelines.benchmarks.ssl4eo.choices import Choices
from cubestore_pipelines.benchmarks.ssl4eo.importing import import_ssl4eo

__all__ = ["Choices", "import_ssl4eo"]

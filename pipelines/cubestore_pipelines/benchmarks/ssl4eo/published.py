"""What SSL4EO-S12 is, as it was published: its sensors, bands, sizes, void ids and terms.

Sources: zhu-xlab/SSL4EO-S12 (v1), README, data/void_ids.csv, src/download_data and
ssl4eo_dataset.py; DLR-MF-DAS/SSL4EO-S12-v1.1, README and zarr_dataset.py (v1.1).
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cubestore.sensors import Band, sensor

Version = Literal["v1", "v1.1"]

DATASET = "ssl4eo-s12"
SEASONS = 4

SIDE = 264
"""Pixels of 10 m along a patch's side; bands of 20 m have 132 and of 60 m 44 in v1."""

EXTENT = 2640
"""Metres along a patch's side."""

RADAR = "sentinel-1-grd"
"""Sigma nought in dB, not terrain corrected: no sensor that has cubes."""

LICENSE = "CC-BY-4.0"
ATTRIBUTION = (
    "SSL4EO-S12 (Wang et al. 2023; v1.1: Blumenstiel et al. 2025); "
    "contains modified Copernicus Sentinel data 2019-2021"
)

_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
_L2A = tuple(name for name in _L1C if name != "B10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One sensor's product in one version of the data set."""

    name: str
    """Its folder."""

    version: Version
    sensor: str
    bands: tuple[Band, ...]
    """In the published order, under our names."""

    files: tuple[str, ...] = field(repr=False)
    """What the data set calls the bands."""

    dtype: np.dtype[np.generic]
    """Of the published pixels."""

    @property
    def variable(self) -> str:
        """The patch set's variable."""
        return self.name.lower()

    @property
    def optical(self) -> bool:
        """Whether it is reflectance."""
        return self.sensor != RADAR

    @property
    def statistics(self) -> tuple[str, str]:
        """The id and the sensor of its published means and deviations in `cubestore.norms`."""
        return f"{DATASET}-{self.version}", self.sensor if self.optical else "sentinel-1-rtc"


def _optical(name: str, version: Version, level: str, files: tuple[str, ...]) -> Modality:
    ours = [f"B0{n[1:]}" if len(n) == 2 else n for n in files]  # noqa: PLR2004 - B1, and not B8A
    return Modality(
        name=name,
        version=version,
        sensor=level,
        bands=tuple(sensor(level).band(band) for band in ours),
        files=files if version == "v1" else tuple(ours),
        dtype=np.dtype("uint16" if version == "v1" else "int16"),
    )


def _radar(name: str, version: Version, files: tuple[str, ...], dtype: str) -> Modality:
    bands = sensor("sentinel-1-rtc").bands
    return Modality(
        name=name, version=version, sensor=RADAR, bands=bands, files=files, dtype=np.dtype(dtype)
    )


V1: tuple[Modality, ...] = (
    _optical("s2c", "v1", "sentinel-2-l1c", _L1C),
    _optical("s2a", "v1", "sentinel-2-l2a", _L2A),
    _radar("s1", "v1", ("VV", "VH"), "float32"),
)
V11: tuple[Modality, ...] = (
    _optical("S2L1C", "v1.1", "sentinel-2-l1c", _L1C),
    _optical("S2L2A", "v1.1", "sentinel-2-l2a", _L2A),
    _radar("S1GRD", "v1.1", ("vv", "vh"), "float16"),
)
"""The first of them that is imported has dims without a suffix."""

SPLITS = ("train", "val")
"""Folders of v1.1, in the order of a set; v1 has no splits."""

VOID_IDS = frozenset(
    (
        *range(124_990, 125_053),
        *(125_054, 125_055, *range(125_058, 125_065), 125_066, 125_067, *range(125_069, 125_077)),
        *(125_079, 125_083, 125_084, 125_087, 125_089, 125_090, 125_094, 125_095, 125_103),
        *(125_104, 125_112, 125_125, 125_129, 125_140, 179_723),
    )
)
"""Places of v1 that nobody has data of: data/void_ids.csv."""

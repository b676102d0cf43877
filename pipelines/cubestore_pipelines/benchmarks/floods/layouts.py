"""What each flood data set is, and which of them lies in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from cubestore.patches import PatchDescription, Pixels
from cubestore.sensors import Band, Flag, Layer, sensor
from cubestore_pipelines.benchmarks.floods import c2sms, sen1floods11
from cubestore_pipelines.benchmarks.floods.chips import RADAR, Chip
from cubestore_pipelines.benchmarks.floods.rasters import SIDE, UNLABELLED
from cubestore_pipelines.errors import DatasetError

_EARTH_ENGINE = "Google Earth Engine, COPERNICUS/S1_GRD: calibrated, terrain-corrected, in decibels"

_GRD = Layer(
    name=RADAR,
    dtype=np.dtype("float32"),
    nodata=np.nan,
    long_name="backscatter coefficient sigma nought, in decibels as published",
    units="dB",
    source=_EARTH_ENGINE,
)


class Files(Protocol):
    """What a module offers that knows a published layout."""

    CODES: Mapping[int, int]
    """Classes of the data set -> classes of the patch set."""

    MASKS: tuple[str, ...]
    """Variables of the labels."""

    def root(self, source: Path, /) -> Path | None:
        """Return where the chips lie; None where they do not."""

    def chips(self, source: Path, /, *, incomplete: bool) -> tuple[list[Chip], list[str]]:
        """Return the chips, and what the source lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A flood data set."""

    files: Files
    name: str
    """Of the patch set."""

    title: str
    license: str
    source: str
    """The document that defines it."""

    def description(self) -> PatchDescription:
        """Return the patch set before its first patch."""
        return PatchDescription(
            name=self.name,
            title=self.title,
            pixels=(Pixels.of("sentinel-2-l1c", size=SIDE), _radar()),
            labels=self.labels,
            attribution=f"{self.source}; contains modified Copernicus Sentinel data",
            license=self.license,
        )

    @property
    def labels(self) -> tuple[Layer, ...]:
        """The masks of water."""
        return tuple(_water(name, self.source) for name in self.files.MASKS)


def _water(name: str, source: str) -> Layer:
    seen = {"water_s1": ", as seen by Sentinel-1", "water_s2": ", as seen by Sentinel-2"}
    return Layer(
        name=name,
        dtype=np.dtype("uint8"),
        nodata=UNLABELLED,
        long_name=f"water{seen.get(name, '')}; {UNLABELLED} where nobody could tell",
        flags=(Flag(meaning="not_water", value=0), Flag(meaning="water", value=1)),
        source=source,
    )


def _radar() -> Pixels:
    known = sensor("sentinel-1-rtc")
    bands = tuple(
        Band(
            name=band.name,
            center_wavelength=band.center_wavelength,
            gsd=band.gsd,
            source=band.source,
        )
        for band in known.bands
    )
    return Pixels(layer=_GRD, bands=bands, size=SIDE, suffix="s1", sensor="sentinel-1-grd")


LAYOUTS: Mapping[str, Layout] = {
    "c2sms": Layout(
        files=c2sms,
        name="c2sms/chips",
        title="C2S-MS floods, chips of Sentinel-2 Level-1C and Sentinel-1 with masks of water",
        license="CC-BY-4.0",
        source="Cloud to Street, Microsoft, Radiant Earth Foundation (2022), C2S-MS floods 1.0",
    ),
    "sen1floods11": Layout(
        files=sen1floods11,
        name="sen1floods11/hand",
        title="Sen1Floods11, chips labelled by hand",
        license="CC-BY-4.0",
        source="Bonafilia et al. (2020), Sen1Floods11, CVPR Workshops",
    ),
}


def layout_of(source: Path, named: str = "") -> Layout:
    """Return the data set that lies in a folder.

    Args:
        source: the folder.
        named: the user's word; "": as the files tell.

    Raises:
        DatasetError: none of them, or not the one that is named.
    """
    if named and named not in LAYOUTS:
        raise DatasetError(
            f"The layout {named!r}", expected=f"one of {', '.join(LAYOUTS)}", remedy="choose one"
        )
    there = [name for name, one in LAYOUTS.items() if source.is_dir() and one.files.root(source)]
    if found := [name for name in there if name == (named or name)]:
        return LAYOUTS[found[0]]
    raise DatasetError(
        f"{source} holds {'the chips of ' + ' '.join(there) if there else 'no chips of floods'}",
        expected="chips/EVENT/s1|s2/PRODUCT_POSITION/BAND.tif of C2S-MS, or S1Hand, S2Hand and"
        " LabelHand of Sen1Floods11",
        remedy="give the folder that holds these, or another --layout",
    )

"""Where Sentinel-2 looked from: the mean view angles that stand in a granule's metadata.

STAC items of some providers tell them (``view:incidence_angle``, ``view:azimuth``); where they do
not, ``MTD_TL.xml`` does, band by band. Source: ESA, Sentinel-2 Products Specification Document,
Mean_Viewing_Incidence_Angle_List.
"""

import math
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np

from cubestore_pipelines.errors import HeaderError

ASSETS = ("granule-metadata", "granule_metadata")
"""What providers call the document."""


class Angles(NamedTuple):
    """Of a scene as a whole, degrees."""

    zenith: float
    azimuth: float
    """Clockwise from north, from the ground to the satellite."""


def parse(document: bytes, name: str) -> Angles:
    """Return the mean over all bands that are listed.

    Args:
        document: MTD_TL.xml.
        name: for errors: the item and its asset.

    Raises:
        HeaderError: it lists none.
    """
    try:
        root = ET.fromstring(document)  # noqa: S314 - expat bounds what entities expand to
        told = list(root.iter("Mean_Viewing_Incidence_Angle"))
        pairs = [(_number(one, "ZENITH_ANGLE"), _number(one, "AZIMUTH_ANGLE")) for one in told]
    except (ET.ParseError, ValueError, TypeError):
        pairs = []
    if not pairs:
        raise HeaderError(
            f"{name} lists no mean viewing incidence angles",
            expected="MTD_TL.xml of a Sentinel-2 granule",
            remedy="leave out --view-angles, or the item with --skip-item",
        )
    zenith, azimuth = np.array(pairs).T
    return Angles(float(zenith.mean()), _circular_mean(azimuth))


def _number(element: ET.Element, name: str) -> float:
    return float(element.findtext(name) or math.nan)


def _circular_mean(degrees: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return the mean direction: that of 350 and 10 degrees is north."""
    turned = np.exp(1j * np.radians(degrees)).mean()
    return float(np.degrees(np.angle(turned)) % 360)

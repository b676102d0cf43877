"""One cloud scheme for all sensors: what their masks say, in five values.

Classes and their precedence are those of CloudSEN12: where several hold, thick cloud counts
before shadow, shadow before thin cloud, thin cloud before clear. What a mask does not say is
unknown, never clear.
"""

from functools import cache
from typing import Any

import numpy as np

from cubestore.errors import MismatchError
from cubestore.sensors.definition import Flag, Layer

CLEAR = 0
THICK_CLOUD = 1
THIN_CLOUD = 2
CLOUD_SHADOW = 3
UNKNOWN = 255

CLOUD_CLASS = Layer(
    name="cloud_class",
    dtype=np.dtype(np.uint8),
    nodata=UNKNOWN,
    long_name="cloud class",
    flags=(
        Flag(meaning="clear", value=CLEAR),
        Flag(meaning="thick_cloud", value=THICK_CLOUD),
        Flag(meaning="thin_cloud", value=THIN_CLOUD),
        Flag(meaning="cloud_shadow", value=CLOUD_SHADOW),
        Flag(meaning="unknown_or_no_data", value=UNKNOWN),
    ),
    source="Aybar et al. 2022, CloudSEN12, Scientific Data 9, 782, table 3",
)

Classes = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[Any]]


def from_scl(scl: Mask) -> Classes:
    """Return the cloud classes of Sentinel-2's scene classification.

    Args:
        scl: SCL, uint8, of any shape. Values that SCL does not have are unknown.

    Raises:
        MismatchError: ``scl`` is not uint8.
    """
    return _look_up(_scl_classes(), scl, "SCL")


def from_qa_pixel(qa: Mask) -> Classes:
    """Return the cloud classes of Landsat Collection 2's pixel quality.

    Dilated cloud counts as thick cloud: it is the rim that the detection has missed.

    Args:
        qa: QA_PIXEL, uint16, of any shape.

    Raises:
        MismatchError: ``qa`` is not uint16.
    """
    return _look_up(_qa_pixel_classes(), qa, "QA_PIXEL")


def from_modis_state(state: Mask) -> Classes:
    """Return the cloud classes of MODIS' state of the pixel.

    Args:
        state: sur_refl_state_500m, uint16, of any shape.

    Raises:
        MismatchError: ``state`` is not uint16.
    """
    return _look_up(_modis_state_classes(), state, "sur_refl_state_500m")


def _look_up(classes: Classes, mask: Mask, name: str) -> Classes:
    if mask.dtype.kind != "u" or 256**mask.dtype.itemsize != classes.size:
        raise MismatchError(
            f"{name} of dtype {mask.dtype}",
            expected="the unsigned integers that the product stores",
            remedy="pass the mask untouched, before any scaling or filling with NaN",
        )
    return classes[mask]


@cache
def _scl_classes() -> Classes:
    classes = np.full(2**8, UNKNOWN, np.uint8)
    classes[[2, 4, 5, 6, 7, 11]] = CLEAR
    classes[[8, 9]] = THICK_CLOUD
    classes[10] = THIN_CLOUD
    classes[3] = CLOUD_SHADOW
    return _frozen(classes)


@cache
def _qa_pixel_classes() -> Classes:
    values = np.arange(2**16)
    fill, dilated, cirrus, cloud, shadow = (values >> bit & 1 == 1 for bit in range(5))
    rules = [
        (fill, UNKNOWN),
        (cloud | dilated, THICK_CLOUD),
        (shadow, CLOUD_SHADOW),
        (cirrus, THIN_CLOUD),
    ]
    return _first_that_holds(rules)


@cache
def _modis_state_classes() -> Classes:
    cloudy, mixed, average = 1, 2, 2
    values = np.arange(2**16)
    cloud_state, shadow, cirrus = values & 3, values >> 2 & 1, values >> 8 & 3
    rules = [
        (values == values[-1], UNKNOWN),
        (cloud_state == cloudy, THICK_CLOUD),
        (shadow == 1, CLOUD_SHADOW),
        ((cloud_state == mixed) | (cirrus >= average), THIN_CLOUD),
    ]
    return _first_that_holds(rules)


def _first_that_holds(rules: list[tuple[np.ndarray[Any, np.dtype[np.bool]], int]]) -> Classes:
    conditions, classes = zip(*rules, strict=True)
    return _frozen(np.select(conditions, classes, CLEAR).astype(np.uint8))


def _frozen(classes: Classes) -> Classes:
    classes.flags.writeable = False
    return classes

"""One cloud scheme for all sensors: what their masks say, in five values.

Classes and their precedence are those of CloudSEN12: where several hold, thick cloud counts
before shadow, shadow before thin cloud, thin cloud before clear. What a mask does not say is
unknown, never clear. `harmonise` reads what other algorithms say as CloudSEN12 compares them.
"""

from collections.abc import Mapping
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

SCHEMES: Mapping[str, Mapping[int, tuple[int, ...]]] = {
    "cloudsen12": {CLEAR: (0,), THICK_CLOUD: (1,), THIN_CLOUD: (2,), CLOUD_SHADOW: (3,)},
    "kappamask": {CLEAR: (1,), THICK_CLOUD: (4,), THIN_CLOUD: (3,), CLOUD_SHADOW: (2,)},
    "sen2cor": {
        CLEAR: (2, 4, 5, 6, 11),  # 7, unclassified, has no row, where `from_scl` calls it clear
        THICK_CLOUD: (8, 9),
        THIN_CLOUD: (10,),
        CLOUD_SHADOW: (3,),
    },
    "fmask": {CLEAR: (0, 1, 3), THICK_CLOUD: (4,), CLOUD_SHADOW: (2,)},
    "qa60": {CLEAR: (0,), THICK_CLOUD: (1024,), THIN_CLOUD: (2048,)},
}
"""Scheme -> class -> its codes: the table "Label Description" in the README of CloudSEN12 on
Hugging Face (csaybar/CloudSEN12-scribble, commit 96493ea)."""

PROBABILITIES = ("s2cloudless", "cd-fcnn")
"""Schemes that are percentages of cloud on disk; the table's 0 and 1 are what a threshold makes."""

THRESHOLD = 50
"""Percent from which a probability counts as cloud, as users of the data set take it."""

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


def harmonise(labels: Mask, scheme: str, *, threshold: int = THRESHOLD) -> Classes:
    """Return the cloud classes of another algorithm's labels.

    Args:
        labels: codes, or percentages from 0 to 100, as integers of any shape. 255 may have become
            -1 in a signed byte; codes without a row in the table are unknown.
        scheme: KappaMask, Sen2Cor, Fmask, s2cloudless, CD-FCNN, QA60, or CloudSEN12's own, in
            any spelling of case and hyphens.
        threshold: percent from which a probability is cloud; 1 reads labels that are 0 and 1.

    Raises:
        MismatchError: no such scheme, labels that are no integers, QA60 in one byte, or a
            threshold that is no percentage above 0.
    """
    name = scheme.lower().replace("_", "-")
    _refuse_unreadable(labels, name, threshold)
    classes = np.full(labels.shape, UNKNOWN, np.uint8)
    if name in PROBABILITIES:
        classes[(labels >= 0) & (labels < threshold)] = CLEAR
        classes[(labels >= threshold) & (labels <= 100)] = THICK_CLOUD  # noqa: PLR2004 - percent
        return classes
    for of_class, codes in SCHEMES[name].items():
        classes[np.isin(labels, codes)] = of_class
    return classes


def _refuse_unreadable(labels: Mask, name: str, threshold: int) -> None:
    if name not in SCHEMES and name not in PROBABILITIES:
        raise MismatchError(
            f"Labels of {name!r}",
            expected=f"one of {', '.join([*SCHEMES, *PROBABILITIES])}",
            remedy="name the algorithm that made them",
        )
    if labels.dtype.kind not in "iu" or (name == "qa60" and labels.dtype.itemsize == 1):
        raise MismatchError(
            f"{name} of dtype {labels.dtype}",
            expected="integers of two bytes or more, for 1024 and 2048"
            if name == "qa60"
            else "integers",
            remedy="pass the labels untouched; in one byte QA60's clouds have become 0, as clear",
        )
    if not 0 < threshold <= 100:  # noqa: PLR2004 - percent
        raise MismatchError(
            f"A threshold of {threshold} percent",
            expected="a number above 0, up to 100",
            remedy="leave it out for 50",
        )


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

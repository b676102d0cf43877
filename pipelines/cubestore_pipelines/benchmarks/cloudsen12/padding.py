"""Where the 509 pixels of an image lie in the 512 of its canvas.

The documents disagree: the card of the memmaps says from (1, 1) to (509, 509), with 255 around
it, that of CloudSEN12+ zeros to the left and below. So it is looked for in the files: what is
outside of the image is one value in all patches of a file, whatever that is.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cubestore.errors import QueryError
from cubestore_pipelines.errors import DatasetError

CANVAS = 512
IMAGE = 509
"""Pixels of 10 m along 5090 m: csaybar/CloudSEN12-high, "working with np.memmap"."""

Canvases = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, order=True)
class Padding:
    """The image's place in the canvas."""

    top: int
    """Rows above it."""

    left: int
    """Columns to its left."""

    size: int = IMAGE
    """Pixels along its side."""

    def __str__(self) -> str:
        names = [name for name, one in NAMED.items() if one == self]
        return names[0] if names else f"{self.top},{self.left}"

    def cut(self, canvases: Canvases) -> Canvases:
        """Return the images of canvases ``(patch, 512, 512)``, as a view."""
        down, across = (
            slice(self.top, self.top + self.size),
            slice(self.left, self.left + self.size),
        )
        return canvases[:, down, across]

    def paste(self, images: Canvases, fill: np.generic) -> Canvases:
        """Return canvases that hold the images, and ``fill`` around them."""
        canvases = np.full((len(images), CANVAS, CANVAS), fill, images.dtype)
        self.cut(canvases)[:] = images
        return canvases

    def around(self, canvases: Canvases) -> Iterator[Canvases]:
        """Yield the parts of canvases that are no image: above, below, left and right of it."""
        bottom, right = self.top + self.size, self.left + self.size
        middle = canvases[:, self.top : bottom]
        strips = (
            canvases[:, : self.top],
            canvases[:, bottom:],
            middle[:, :, : self.left],
            middle[:, :, right:],
        )
        return (strip for strip in strips if strip.size)

    def fill(self, canvases: Canvases) -> np.generic | None:
        """Return the value outside of the images; None: there is no outside."""
        strip = next(self.around(canvases), None)
        return None if strip is None else strip.flat[0]

    def odd(self, canvases: Canvases, fill: np.generic | None) -> int | None:
        """Return the first patch that has something else than ``fill`` outside of its image."""
        if fill is None:
            return None
        filled = np.ones(len(canvases), bool)
        for strip in self.around(_bits(canvases)):
            filled &= (strip == _bits(np.asarray(fill))).all(axis=(1, 2))
        return None if filled.all() else int(np.argmin(filled))


AROUND, LEFT_BOTTOM, NONE = Padding(1, 1), Padding(0, 3), Padding(0, 0, CANVAS)
NAMED = {"around": AROUND, "left-bottom": LEFT_BOTTOM, "none": NONE}
POSSIBLE = [Padding(top, left) for top in range(4) for left in range(4)]


def parse(text: str) -> Padding | None:
    """Return what a user says of the padding; None: it is to be found.

    Raises:
        QueryError: neither ``find``, a name of ``NAMED``, nor ``TOP,LEFT``.
    """
    if text == "find":
        return None
    places = re.fullmatch(r"([0-3]),([0-3])", text)
    if text not in NAMED and not places:
        raise QueryError(
            f"A padding of {text!r}",
            expected=f"find, {', '.join(NAMED)}, or the rows above the image and the columns to "
            "its left, 0 to 3 each: 1,1",
            remedy="leave it out, and it is looked for in the files",
        )
    return Padding(*map(int, places.groups())) if places else NAMED[text]


def find(samples: Iterable[tuple[str, Canvases]]) -> Padding:
    """Return the only padding that all files agree with.

    Args:
        samples: a file's name and some of its canvases, ``(patch, 512, 512)``; no more of them
            are taken than are needed.

    Raises:
        DatasetError: none agrees with a file, or several with all.
    """
    possible = POSSIBLE
    for name, canvases in samples:
        agreeing = [one for one in possible if one.odd(canvases, one.fill(canvases)) is None]
        if not agreeing:
            raise DatasetError(
                f"{name}: no image of {IMAGE} pixels with one value around it"
                f"{'' if possible == POSSIBLE else ', where the files before have it'}",
                expected=f"canvases of {CANVAS} pixels, padded alike in all patches and files",
                remedy="state where the image lies: --padding around, left-bottom, or TOP,LEFT; "
                "--padding none keeps all pixels",
            )
        if len(agreeing) == 1:
            return agreeing[0]
        possible = agreeing
    may_be = ", or ".join(map(str, possible))
    raise DatasetError(
        f"The images' borders are as blank as the padding: it may be {may_be}",
        expected="files in which only one place of the image is possible",
        remedy="state it: --padding around, left-bottom, or TOP,LEFT",
    )


def _bits(values: Canvases) -> Canvases:
    """Return numbers as the bits that they are, so that NaN equals itself."""
    return values.view(f"u{values.dtype.itemsize}")

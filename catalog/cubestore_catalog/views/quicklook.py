"""A slot as a picture: sampled, coloured, and where on the Earth it lies."""

from dataclasses import dataclass
from typing import Any

from cubestore_catalog.views import looks, sampling, where
from cubestore_catalog.views.looks import Look
from cubestore_catalog.views.opened import Cache, OpenedCube
from cubestore_catalog.views.png import png
from cubestore_catalog.views.sampling import Window

MOST_BYTES = 64 * 1024 * 1024
"""Of pictures that are kept."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, and where it lies."""

    png: bytes
    width: int
    height: int
    corners: tuple[where.Position, ...]
    """Of the part of the tile that it shows, from the upper left clockwise."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the corners, degrees."""
        return where.bounds(list(self.corners))

    def facts(self) -> dict[str, Any]:
        """Return where it lies, as JSON."""
        return {"corners": self.corners, "width": self.width, "height": self.height}


class Pictures:
    """Pictures, those that were asked for last kept as long as their cube is as it was."""

    def __init__(self) -> None:
        self.kept: Cache[Picture] = Cache(MOST_BYTES, lambda picture: len(picture.png))

    def of(
        self, opened: OpenedCube, slot: int, look: Look, window: Window | None = None
    ) -> Picture:
        """Return what a slot looks like, or a window of it.

        Raises:
            RequestError: bands that the cube lacks.
            UnknownRecordError: there is no such slot, or nothing in it or in the window.
        """
        key = (opened.state, slot, look, window)
        return self.kept.get(key, lambda: quicklook(opened, slot, look, window))


def quicklook(opened: OpenedCube, slot: int, look: Look, window: Window | None = None) -> Picture:
    """Return what the part of a slot that has data looks like.

    Args:
        opened: the cube.
        slot: index of the slot, in the order of arrival.
        look: what is shown, and how large.
        window: of which rows and columns; None: of all that has data.

    Raises:
        RequestError: bands that the cube lacks.
        UnknownRecordError: there is no such slot, or nothing in it or in the window.
    """
    drawn = looks.drawing(opened, look)
    found = sampling.sample(opened, slot, list(drawn.bands), look.size, window)
    colours = drawn.paint(opened.pixels.physical(found.stored))
    height, width, _ = colours.shape
    return Picture(png(colours), width, height, tuple(where.corners(opened, found.part)))

"""A slot as a picture: sampled, coloured, and where on the Earth it lies."""

from dataclasses import dataclass
from typing import Any

from cubestore_catalog.views import looks, sampling, where
from cubestore_catalog.views.looks import Look
from cubestore_catalog.views.opened import Cache, OpenedCube
from cubestore_catalog.views.png import png
from cubestore_catalog.views.sampling import Part, Window

MOST_BYTES = 64 * 1024 * 1024
"""Of pictures that are kept."""


@dataclass(frozen=True, slots=True)
class Placed:
    """How large a picture is, and where it lies."""

    width: int
    height: int
    part: Part
    """Of the cube's grid; chips may reach beyond it."""

    corners: tuple[where.Position, ...]
    """Of that part on the Earth, from the upper left clockwise."""

    @property
    def window(self) -> Window:
        """The part as it is asked for."""
        return self.part.top, self.part.left, self.part.bottom, self.part.right

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the corners, degrees."""
        return where.bounds(list(self.corners))

    def facts(self) -> dict[str, Any]:
        """Return where it lies, as JSON."""
        size = {"width": self.width, "height": self.height}
        return {"corners": self.corners, "window": self.window, **size}


@dataclass(frozen=True, slots=True)
class Picture(Placed):
    """A picture."""

    png: bytes


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


def placed(opened: OpenedCube, slot: int, look: Look, window: Window | None = None) -> Placed:
    """Return where a slot's picture lies: of its pixels none is read.

    Args:
        opened: the cube.
        slot: index of the slot, in the order of arrival.
        look: what is shown, and how large.
        window: of which rows and columns; None: of all that has data.

    Raises:
        RequestError: bands that the cube lacks.
        UnknownRecordError: there is no such slot, or nothing in it or in the window.
    """
    looks.drawing(opened, look)
    found = sampling.taken(opened, slot, look.size, window)
    corners = tuple(where.corners(opened, found.part))
    return Placed(len(found.columns), len(found.rows), found.part, corners)


def quicklook(opened: OpenedCube, slot: int, look: Look, window: Window | None = None) -> Picture:
    """Return what the part of a slot that has data looks like; told, and refused, as `placed`."""
    drawn = looks.drawing(opened, look)
    found = sampling.taken(opened, slot, look.size, window)
    stored = sampling.sample(opened, slot, list(drawn.bands), found)
    colours = drawn.paint(opened.pixels.physical(stored))
    height, width, _ = colours.shape
    corners = tuple(where.corners(opened, found.part))
    return Picture(width, height, found.part, corners, png(colours))

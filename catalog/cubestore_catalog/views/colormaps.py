"""From a number to a colour: a few well-known ramps as colours at places, mixed between them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cubestore_catalog.stac.renders import WORLDCOVER

Colours = NDArray[np.uint8]
Ramp = tuple[tuple[float, ...], NDArray[np.float64]]
"""Places from 0 to 1, and the colours there, ``(places, 3)``."""


def _even(text: str) -> Ramp:
    """Return the ramp of colours that stand at even distances."""
    colours = [tuple(bytes.fromhex(colour)) for colour in text.split()]
    return tuple(np.linspace(0, 1, len(colours)).tolist()), np.array(colours, float)


RAMPS: Mapping[str, Ramp] = {
    # N. Smith and S. van der Walt, 2015, CC0: their map at ten even places.
    "viridis": _even("440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725"),
    "magma": _even("000004 180f3e 451077 721f81 9f2f7f cd4071 f1605d fd9567 feca8d fcfdbf"),
    "gray": _even("000000 ffffff"),
    # C. Brewer, ColorBrewer 2.0, RdYlGn in eleven classes, Apache-2.0.
    "rdylgn": _even("a50026 d73027 f46d43 fdae61 fee08b ffffbf d9ef8b a6d96a 66bd63 1a9850 006837"),
    # Matplotlib, lib/matplotlib/_cm.py, _terrain_data.
    "terrain": (
        (0.0, 0.15, 0.25, 0.5, 0.75, 1.0),
        np.array(
            [
                (51, 51, 153),
                (0, 153, 255),
                (0, 204, 102),
                (255, 255, 153),
                (128, 92, 84),
                (255,) * 3,
            ],
            float,
        ),
    ),
}

CLASSES: Mapping[str, Mapping[int, str]] = {"worldcover": WORLDCOVER}

NAMES = (*RAMPS, *CLASSES)


def ramped(share: NDArray[np.float64], name: str) -> Colours:
    """Return the colours of numbers from 0 to 1.

    Args:
        share: ``(y, x)``; what lies outside gets the colour of the end.
        name: one of `RAMPS`.

    Returns:
        ``(y, x, 3)``.
    """
    places, colours = RAMPS[name]
    mixed = [np.interp(share, places, channel) for channel in colours.T]
    return np.stack(mixed, axis=-1).round().astype(np.uint8)


def classified(classes: NDArray[np.float64], name: str) -> tuple[Colours, NDArray[np.bool_]]:
    """Return the colours of classes, ``(y, x, 3)``, and which of them have one.

    Args:
        classes: ``(y, x)``.
        name: one of `CLASSES`.
    """
    table, known = np.zeros((256, 3), np.uint8), np.zeros(256, bool)
    for value, colour in CLASSES[name].items():
        table[value], known[value] = tuple(bytes.fromhex(colour)), True
    codes = np.clip(np.nan_to_num(classes), 0, 255).astype(np.uint8)
    return table[codes], known[codes]

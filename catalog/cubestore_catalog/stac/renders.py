"""How a cube is shown by who knows nothing but its item: the render extension.

As the parameters of TiTiler for xarray have it: ``variable``, of it the moment ``sel``, of that the
bands ``bidx``, which count from 1, and for each the values that are black and white; of classes the
colour of each. Heights have no stretch that is right anywhere, so they are not told of.
"""

from collections import Counter
from collections.abc import Mapping

from cubestore_catalog.stac.records import Json
from cubestore_catalog.stac.snapshot import Snapshot, moment

WORLDCOVER: Mapping[int, str] = {
    10: "006400",
    20: "ffbb22",
    30: "ffff4c",
    40: "f096ff",
    50: "fa0000",
    60: "b4b4b4",
    70: "f0f0f0",
    80: "0064c8",
    90: "0096a0",
    95: "00cf75",
    100: "fae6a0",
}
"""ESA, WorldCover Product User Manual, version 2.0, map legend: class -> colour."""

STRETCHES = {"reflectance": [0, 0.3], "brightness": [1, 255], "backscatter": [0, 0.3]}
"""What of a variable is shown from black to white."""

LEGENDS: Mapping[str, Mapping[int, str]] = {"land_cover": WORLDCOVER}
"""Variable of classes -> the colour of each, hexadecimal."""


def renders(seen: Snapshot, asset: str) -> Json:
    """Return how a cube is shown: in true colours, in those of a legend, or by its first band.

    Args:
        seen: its state.
        asset: the key of the asset that is the cube.
    """
    sensor, held = seen.cube.sensor, seen.bands
    variable = sensor.pixels.name
    if variable not in {*STRETCHES, *LEGENDS}:
        return {}
    names = {sensor.band(name).common_name: name for name in held}
    colours = [names[colour] for colour in ("red", "green", "blue") if colour in names]
    shown, title = (colours, "True colour") if len(colours) == len("rgb") else (held[:1], held[0])
    render = {
        "title": title,
        "assets": [asset],
        "variable": variable,
        "bands": list(shown),
        "bidx": [held.index(name) + 1 for name in shown],
        "sel": [f"time={moment(_shown(seen)).removesuffix('Z')}"],  # as stored: zoneless
        **_coloured(variable, len(shown)),
        "resampling": "nearest",
    }
    return {"renders": {"overview": render}}


def _coloured(variable: str, bands: int) -> Json:
    """Return how numbers become colours."""
    if variable in LEGENDS:
        return {"colormap": {str(n): f"#{colour}" for n, colour in LEGENDS[variable].items()}}
    return {"rescale": [STRETCHES[variable]] * bands}


def _shown(seen: Snapshot) -> int:
    """Return the last time at which there is one slot: what replaced another may have the same."""
    slots = Counter(slot.start for slot in seen.slots)
    alone = [slot.start for slot in seen.seen if slots[slot.start] == 1]
    return (alone or [seen.seen[-1].start])[-1]

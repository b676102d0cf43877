"""How a cube is shown by who knows nothing but its item: the render extension.

As the parameters of TiTiler for xarray have it: ``variable``, of it the moment ``sel``, of that the
bands ``bidx``, which count from 1, and for each the values that are black and white.
"""

from collections import Counter

from cubestore_catalog.stac.records import Json
from cubestore_catalog.stac.snapshot import Snapshot, moment

STRETCHES = {"reflectance": [0, 0.3], "brightness": [1, 255], "backscatter": [0, 0.3]}
"""What of a variable is shown from black to white."""


def renders(seen: Snapshot, asset: str) -> Json:
    """Return how a cube is shown: true colours where it has them, else its first band.

    Args:
        seen: its state.
        asset: the key of the asset that is the cube.
    """
    sensor, held = seen.cube.sensor, seen.bands
    stretch = STRETCHES.get(sensor.pixels.name)
    if stretch is None:
        return {}
    names = {sensor.band(name).common_name: name for name in held}
    colours = [names[colour] for colour in ("red", "green", "blue") if colour in names]
    shown, title = (colours, "True colour") if len(colours) == len("rgb") else (held[:1], held[0])
    render = {
        "title": title,
        "assets": [asset],
        "variable": sensor.pixels.name,
        "bands": list(shown),
        "bidx": [held.index(name) + 1 for name in shown],
        "sel": [f"time={moment(_shown(seen)).removesuffix('Z')}"],  # as stored: zoneless
        "rescale": [stretch] * len(shown),
        "resampling": "nearest",
    }
    return {"renders": {"overview": render}}


def _shown(seen: Snapshot) -> int:
    """Return the last time at which there is one slot: what replaced another may have the same."""
    slots = Counter(slot.start for slot in seen.slots)
    alone = [slot.start for slot in seen.seen if slots[slot.start] == 1]
    return (alone or [seen.seen[-1].start])[-1]

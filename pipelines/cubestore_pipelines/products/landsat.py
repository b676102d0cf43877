"""What a Landsat item says of its scene: in fields of many spellings, and in its product's name.

``LC08_L2SP_047027_20201204_20210313_02_T1`` tells instrument and platform, level, WRS path and
row, day, when it was made, collection and tier; the Planetary Computer leaves out when.
"""

import math
import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import OtherProductError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

PRODUCT = re.compile(
    r"^L(?P<instrument>[COTEM])0(?P<number>\d)_L(?P<level>\d)\w{2}_(?P<path>\d{3})(?P<row>\d{3})"
    r"_(?P<day>\d{8})_(?:(?P<made>\d{8})_)?(?P<collection>\d{2})_(?P<tier>RT|T1|T2|A1|A2)"
)
INSTRUMENTS = {"M": "MSS", "T": "TM", "E": "ETM+", "O": "OLI", "C": "OLI"}
"""The first letter after ``L``: USGS, Landsat Collection 2 product identifier. ``LT08`` is TIRS."""

REAL_TIME = "RT"
"""The tier of what is replaced within a month. Source: USGS, Landsat Collection 2 tiers."""

OLI = {"8", "9"}
COLLECTION = "02"
LEVELS = {"landsat-c2-l1": "1", "landsat-c2-l2": "2"}
ROWS = 1000
"""A path times this, plus a row, is what the store keeps as the relative orbit."""

tile = common.tile


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its product's name, tells."""
    told, name = common.facts(item), _name(item)
    path, row = _place(item, name, "path"), _place(item, name, "row")
    scene = item.text("landsat:scene_id")
    return told | {
        "platform": f"landsat-{name['number']}" if name else told["platform"],
        "track": path,
        "relative_orbit": -1 if path < 0 else path * ROWS + max(row, 0),
        "datatake": scene[:16] if scene else f"{name.get('day', '')}{path:03}{row:03}",
        "sensing_start": f"{row:03}",
        "generated": _generated(name, told["generated"]),
        "sun_azimuth": item.number("view:sun_azimuth", "eo:sun_azimuth"),
        "sun_elevation": item.number("view:sun_elevation", "eo:sun_elevation"),
        "view_zenith": item.number("view:incidence_angle", "view:off_nadir", "eo:off_nadir"),
    }


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse another instrument's product, or one of another level or collection.

    Raises:
        OtherProductError: its name says that it is one.
    """
    name = _name(item)
    if not name:
        return
    what = f"Landsat {name['number']} {INSTRUMENTS[name['instrument']]} Level-{name['level']}"
    level = LEVELS[sensor.id]
    oli = name["number"] in OLI and INSTRUMENTS[name["instrument"]] == "OLI"
    if not oli or name["level"] != level or name["collection"] != COLLECTION:
        raise OtherProductError(
            f"Item {item.id} is {what} of Collection {int(name['collection'])}",
            expected=f"Landsat 8 or 9 OLI Level-{level} of Collection 2, as {sensor.id} is",
            remedy=_remedy(sensor),
        )


def identifies(item: Item, sensor: Sensor) -> bool:
    """Whether the item's name says that it is the sensor's product."""
    name = _name(item)
    return bool(name) and name["level"] == LEVELS[sensor.id] and name["collection"] == COLLECTION


def _generated(name: dict[str, str], told: str) -> str:
    """Return when it was made, as digits that sort; what was made in real time before all else."""
    made = name.get("made") or re.sub(r"\D", "", told)[:8]
    return f"{int(name.get('tier') != REAL_TIME)}{made}" if name else made


def _remedy(sensor: Sensor) -> str:
    if sensor.id == "landsat-c2-l1":
        return "OLI's Level-1 is published by USGS alone: --catalog usgs"
    return "search for the time since 2013, when Landsat 8 began"


def _name(item: Item) -> dict[str, str]:
    return common.parts(PRODUCT.match(item.id))


def _place(item: Item, name: dict[str, str], axis: str) -> int:
    """Return the WRS path or row, -1 where neither the item nor its name tell."""
    text = item.text(f"landsat:wrs_{axis}") or name.get(axis, "")
    number = float(text) if text.isdigit() else item.number(f"landsat:wrs_{axis}")
    return -1 if math.isnan(number) else int(number)

"""What an item of MODIS surface reflectance says: ``MOD`` is Terra's, ``MYD`` Aqua's.

``MYD09A1.A2025057.h35v10.061.2025066034638`` tells platform, product, the day it begins (year
and day of the year), tile, collection, and when it was made.
"""

import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import OtherProductError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

PRODUCT = re.compile(
    r"^(?P<platform>M[OYC]D)(?P<product>\w+)\.A(?P<day>\d{7})\.(?P<tile>h\d\dv\d\d)"
    r"\.(?P<collection>\d{3})(?:\.(?P<made>\d{13}))?"
)
PLATFORMS = {"MOD": "terra", "MYD": "aqua", "MCD": "terra, aqua"}
REFLECTANCE = "09A1"


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its product's name, tells."""
    told, name = common.facts(item), _name(item)
    if not name:
        return told | {"tile": tile(item)}
    day = name["day"]
    return told | {
        "tile": name["tile"],
        "platform": PLATFORMS[name["platform"]],
        "occasion": day,
        "datatake": f"{name['platform']}{name['product']}.A{day}",
        "sensing_start": name["tile"],
        "generated": name.get("made") or told["generated"],
        "processor_version": name["collection"],
    }


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse another product.

    Raises:
        OtherProductError: its name says that it is one.
    """
    name = _name(item)
    if name and not identifies(item, sensor):
        raise OtherProductError(
            f"Item {item.id} is of {name['platform']}{name['product']}",
            expected="MOD09A1 or MYD09A1: surface reflectance of eight days at 500 m",
            remedy="search a collection of them, or map this one with --profile",
        )


def identifies(item: Item, _sensor: Sensor) -> bool:
    """Whether the item's name says that it is the sensor's product."""
    name = _name(item)
    return bool(name) and name["product"] == REFLECTANCE and name["platform"] != "MCD"


def tile(item: Item) -> str:
    """Return the sinusoidal tile of an item, or ""."""
    if name := _name(item):
        return name["tile"]
    across, down = item.number("modis:horizontal-tile"), item.number("modis:vertical-tile")
    known = across == across and down == down  # noqa: PLR0124 - NaN
    return f"h{int(across):02}v{int(down):02}" if known else ""


def _name(item: Item) -> dict[str, str]:
    return common.parts(PRODUCT.match(item.id))

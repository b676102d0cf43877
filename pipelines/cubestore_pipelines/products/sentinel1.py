"""What an item of Sentinel-1 RTC says of its scene: in fields, and in the name of ESA's product.

``S1A_IW_GRDH_1SDV_20250311T044231_20250311T044249_058252_073302_rtc`` tells platform, mode, when
it began and ended, absolute orbit and datatake. Frames of one pass are parts of its datatake.
"""

import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import OtherProductError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

PRODUCT = re.compile(
    r"^(?P<platform>S1[A-D])_(?P<mode>[A-Z]{2})_(?P<kind>GRD|SLC|OCN|RAW)._\w{4}"
    r"_(?P<start>\d{8}T\d{6})_\d{8}T\d{6}_(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})"
)
CORRECTED = re.compile(r"_rtc$|RTC", re.IGNORECASE)

tile = common.tile


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its product's name, tells."""
    told = common.facts(item)
    name = common.parts(PRODUCT.match(item.id))
    return told | {
        "platform": _platform(told["platform"], name),
        "datatake": name.get("datatake", ""),
        "sensing_start": name.get("start", ""),
        "cloud_cover": common.percent(-1),
    }


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse a product that is not corrected for the terrain.

    Raises:
        OtherProductError: its name says that it is one.
    """
    if PRODUCT.match(item.id) and not identifies(item, sensor):
        raise OtherProductError(
            f"Item {item.id} is a {item.id.split('_')[2]} product of Level-1",
            expected="one that is radiometrically corrected for the terrain (RTC)",
            remedy="search a collection of them, such as the Planetary Computer's sentinel-1-rtc",
        )


def identifies(item: Item, _sensor: Sensor) -> bool:
    """Whether the item's name says that it is corrected for the terrain."""
    return bool(CORRECTED.search(item.id))


def _platform(told: str, name: dict[str, str]) -> str:
    return told or (f"sentinel-1{name['platform'][-1].lower()}" if name else "")

"""What any item may say of itself, in the fields of STAC's common extensions."""

import math
import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.items import Item


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the common extensions tell."""
    return {
        "platform": item.text("platform", "eo:platform").lower().replace("_", "-"),
        "orbit_state": item.text("sat:orbit_state").lower(),
        "relative_orbit": whole(item.number("sat:relative_orbit")),
        "sun_azimuth": item.number("view:sun_azimuth"),
        "sun_elevation": item.number("view:sun_elevation"),
        "view_azimuth": item.number("view:azimuth"),
        "view_zenith": item.number("view:incidence_angle"),
        "cloud_cover": percent(item.number("eo:cloud_cover")),
        "processor_version": item.text("processing:version"),
        "generated": item.text("processing:datetime", "created"),
    }


def refuse_other(_item: Item, _sensor: Sensor) -> None:
    """Refuse nothing: common fields do not tell products apart."""


def identifies(_item: Item, _sensor: Sensor) -> bool:
    """Whether the item itself tells whose product it is: common fields do not."""
    return False


def tile(_item: Item) -> str:
    """Return the tile that the product is cut to: none."""
    return ""


def parts(name: re.Match[str] | None) -> dict[str, str]:
    """Return the parts that a product's name has, none where it is no such name."""
    return {k: v for k, v in name.groupdict().items() if v} if name else {}


def whole(number: float) -> int:
    """Return a number as the store keeps it, -1 where it is not known."""
    return -1 if math.isnan(number) else int(number)


def percent(number: float) -> float:
    """Return a percentage, NaN where it is none (some items say -1 for unknown)."""
    return number if 0 <= number <= 100 else math.nan  # noqa: PLR2004 - percent

"""What a Sentinel-2 item says of its product: in fields where it has them, else in names.

Names are ESA's: ``S2A_MSIL2A_20230612T105031_N0509_R051_T31UDQ_20230612T164502`` tells platform,
level, start of the datatake, baseline, relative orbit, tile and generation.
"""

import math
import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import ItemError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

PRODUCT = re.compile(
    r"(?P<platform>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})"
    r"(?:_N(?P<baseline>\d{4}))?_R(?P<orbit>\d{3})_T(?P<tile>\w{5})_(?P<generated>\d{8}T\d{6})"
)
"""A product; the Planetary Computer leaves out the baseline in its ids."""

DATATAKE = re.compile(r"GS2[A-D]_(?P<start>\d{8}T\d{6})_\d{6}")
DATASTRIP = re.compile(r"_(?P<generated>\d{8}T\d{6})_S(?P<start>\d{8}T\d{6})")
TILE = re.compile(r"(?:^|_|-)T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?=_|$)")
OTHERS = re.compile(r"^HLS\.|_MSI_L3")
"""Harmonised Landsat Sentinel-2, and Level-3 mosaics."""

LEVELS = {"sentinel-2-l2a": "L2A", "sentinel-2-l1c": "L1C"}
LEVEL = re.compile(r"MSI(?P<name>L1C|L2A)|_(?P<short>L1C|L2A)(?:_|$)|^S2MSI(?P<type>1C|2A)")


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its product's name, tells."""
    name = _name(item)
    strip = DATASTRIP.search(item.text("s2:datastrip_id", "eopf:datastrip_id"))
    orbit = item.number("sat:relative_orbit")
    zenith = item.number("s2:mean_solar_zenith")
    told = common.facts(item)
    return told | {
        "tile": tile(item),
        "platform": _platform(told["platform"], name),
        "datatake": _datatake(item, name),
        "sensing_start": strip["start"] if strip else "",
        "generated": _compact(
            item.text("s2:generation_time", "processing:datetime")
            or (strip["generated"] if strip else "")
            or name.get("generated", "")
        ),
        "processing_baseline": baseline(item),
        "processor_version": "",
        "relative_orbit": common.whole(orbit if orbit == orbit else _number(name.get("orbit"))),  # noqa: PLR0124 - NaN
        "sun_azimuth": item.number("view:sun_azimuth", "s2:mean_solar_azimuth"),
        "sun_elevation": item.number("view:sun_elevation") if math.isnan(zenith) else 90 - zenith,
        "nodata_cover": _nodata_cover(item),
    }


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse a product of another level.

    Raises:
        ItemError: it says that it is one.
    """
    if OTHERS.search(item.id):
        raise ItemError(
            f"Item {item.id} is made of several products or sensors",
            expected=f"a product of {sensor.id}",
            remedy="leave it out with --skip-item",
        )
    found = _level(item)
    if found and found != LEVELS[sensor.id]:
        raise ItemError(
            f"Item {item.id} is a Level-{found[1:]} product",
            expected=f"Level-{LEVELS[sensor.id][1:]}, as {sensor.id} is",
            remedy=f"search for --sensor sentinel-2-{found.lower()}",
        )


def identifies(_item: Item, _sensor: Sensor) -> bool:
    """Whether the item tells that it is the sensor's: what is not refused counts as such."""
    return True


def tile(item: Item) -> str:
    """Return the MGRS tile of an item, or ""."""
    square = item.text("mgrs:grid_square")
    told = (
        item.text("s2:mgrs_tile")
        or item.text("grid:code").removeprefix("MGRS-")
        or (square and f"{item.text('mgrs:utm_zone')}{item.text('mgrs:latitude_band')}{square}")
        or _name(item).get("tile", "")
        or next(iter(TILE.findall(item.id)), "")
    )
    return told.removeprefix("T").zfill(5).upper() if told else ""


def baseline(item: Item) -> str:
    """Return the processing baseline as ``05.09``, or ""."""
    told = item.text("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    if re.fullmatch(r"N?\d{2}\.?\d{2}", told):
        digits = re.sub(r"\D", "", told)
        return f"{digits[:2]}.{digits[2:]}"
    digits = _name(item).get("baseline", "")
    return f"{digits[:2]}.{digits[2:]}" if digits else ""


def _name(item: Item) -> dict[str, str]:
    """Return the parts of the product's name, wherever it stands."""
    uri = item.text("s2:product_uri", "sentinel:product_id")
    texts = (uri, item.text("product_uri", "title"), item.id)
    found: dict[str, str] = {}
    for text in texts:
        found = common.parts(PRODUCT.search(text)) | found
    return found


def _platform(told: str, name: dict[str, str]) -> str:
    if re.fullmatch(r"sentinel-?2[a-d]", told):
        return f"sentinel-2{told[-1]}"
    return f"sentinel-2{name['platform'][-1].lower()}" if "platform" in name else told


def _datatake(item: Item, name: dict[str, str]) -> str:
    match = DATATAKE.search(item.text("s2:datatake_id", "eopf:datatake_id"))
    return match["start"] if match else name.get("datatake", "")


def _level(item: Item) -> str:
    uri = item.text("s2:product_uri", "sentinel:product_id")
    texts = (item.text("s2:product_type", "product:type"), uri, item.id)
    for match in filter(None, map(LEVEL.search, texts)):
        kind = match["type"]
        return f"L{kind}" if kind else str(match["name"] or match["short"])
    return ""


def _compact(text: str) -> str:
    """Return a time as digits, so that ISO 8601 and ESA's spelling sort as one."""
    return re.sub(r"\D", "", text)[:14]


def _number(text: str | None) -> float:
    return float(text) if text else math.nan


def _nodata_cover(item: Item) -> float:
    told = item.number("s2:nodata_pixel_percentage")
    statistics = item.properties.get("statistics")
    if math.isnan(told) and isinstance(statistics, dict):
        told = float(statistics.get("nodata", math.nan))
    return common.percent(told)

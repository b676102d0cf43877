"""What the sheets of a map say: Copernicus DEM's of 1 degree, WorldCover's of 3.

All sheets of one version make one slot. A map is of no day, so no search asks it for one.
"""

import re
from collections.abc import Mapping
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import OtherProductError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

SHEETS: Mapping[str, re.Pattern[str]] = {
    "cop-dem-glo-30": re.compile(r"^Copernicus_DSM_COG_10_"),
    "esa-worldcover": re.compile(r"^ESA_WorldCover_10m_(?P<year>\d{4})_v(?P<version>\d{3})"),
}
OTHERS = re.compile(r"^(?:Copernicus_DSM_COG_|ESA_WorldCover_)")
"""Names of the same families."""

tile = common.tile


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its name, tells."""
    version = item.text("esa_worldcover:product_version") or _version(item)
    return common.facts(item) | {
        "occasion": version or "1",
        "processor_version": version,
        "cloud_cover": common.percent(-1),
    }


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse another map of the same family.

    Raises:
        OtherProductError: its name says that it is one.
    """
    if OTHERS.match(item.id) and not identifies(item, sensor):
        raise OtherProductError(
            f"Item {item.id} is no sheet of {sensor.title}",
            expected=f"a name as {SHEETS[sensor.id].pattern.strip('^')}",
            remedy="search another collection, or map this one with --profile",
        )


def identifies(item: Item, sensor: Sensor) -> bool:
    """Whether the item's name says that it is a sheet of the map."""
    return bool(SHEETS[sensor.id].match(item.id))


def _version(item: Item) -> str:
    match = SHEETS["esa-worldcover"].match(item.id)
    return f"{match['version'][0]}.{match['version'][1]}.{match['version'][2]}" if match else ""

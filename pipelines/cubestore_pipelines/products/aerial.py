"""What items of aerial photographs say: NAIP's quads, LINZ's sheets.

NAIP is flown by states, and one slot is a state on one day; ``m_4709963_se_14_1_20180716`` tells
quad, quarter, zone, pixel and day. LINZ publishes surveys, a collection each, and one slot is one
survey, however many days it was flown on. Its sheets are called alike in every survey: the survey
is put before their names.
"""

import re
from typing import Any

from cubestore.sensors import Sensor
from cubestore_pipelines.errors import OtherProductError
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common

QUAD = re.compile(
    r"(?:^(?P<state>[a-z]{2})_)?m_(?P<quad>\d{7})_(?P<quarter>ne|nw|se|sw)_(?P<zone>\d{1,2})"
    r"_(?P<pixel>[\dh]+)_(?P<day>\d{8})"
)

tile = common.tile


def facts(item: Item) -> dict[str, Any]:
    """Return the fields of a scene that the item, or its name, tells."""
    quad = QUAD.search(item.id)
    told = common.facts(item) | {"platform": "", "cloud_cover": common.percent(-1)}
    if quad is None:
        survey = item.collection or f"{item.time:%Y%m%d}"
        return told | {"occasion": survey, "item_id": f"{survey}/{item.id}"}
    state = item.text("naip:state") or quad["state"] or ""
    return told | {"occasion": f"{state.lower()} {quad['day']}".strip()}


def refuse_other(item: Item, sensor: Sensor) -> None:
    """Refuse the other country's photographs.

    Raises:
        OtherProductError: its name says that it is one of them.
    """
    if sensor.id == "linz" and QUAD.search(item.id):
        raise OtherProductError(
            f"Item {item.id} is a quad of NAIP",
            expected="a sheet of a survey of New Zealand",
            remedy="search for --sensor naip",
        )


def identifies(item: Item, sensor: Sensor) -> bool:
    """Whether the item's name says that it is the sensor's."""
    return sensor.id == "naip" and bool(QUAD.search(item.id))

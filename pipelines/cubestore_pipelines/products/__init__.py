"""What the products of each sensor say of themselves: a module a mission.

A module offers ``facts(item)``, the fields of a scene that it knows to read, and
``refuse_other(item, sensor)``, which refuses an item of another product. Sensors without a module
get what STAC's common fields tell.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from cubestore.sensors import Sensor
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import common, sentinel2


class Product(Protocol):
    """What a module of this package offers."""

    def facts(self, item: Item, /) -> dict[str, Any]:
        """Return fields of a scene."""

    def refuse_other(self, item: Item, sensor: Sensor, /) -> None:
        """Refuse an item of another product."""


PRODUCTS: Mapping[str, Product] = {"sentinel-2-l2a": sentinel2, "sentinel-2-l1c": sentinel2}


def product(sensor: Sensor) -> Product:
    """Return the module that reads a sensor's items."""
    return PRODUCTS.get(sensor.id, common)

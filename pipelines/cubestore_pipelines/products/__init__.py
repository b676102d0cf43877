"""What the products of each sensor say of themselves: a module a family of them.

Fields where items have them, else the names of products. A sensor without a module gets what
STAC's common fields tell.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from cubestore.sensors import Sensor
from cubestore_pipelines.items import Item
from cubestore_pipelines.products import aerial, common, landsat, maps, modis, sentinel1, sentinel2


class Product(Protocol):
    """What a module of this package offers."""

    def facts(self, item: Item, /) -> dict[str, Any]:
        """Return fields of a scene."""

    def refuse_other(self, item: Item, sensor: Sensor, /) -> None:
        """Refuse an item of another product."""

    def identifies(self, item: Item, sensor: Sensor, /) -> bool:
        """Whether the item itself, whatever its collection, tells that it is the sensor's."""

    def tile(self, item: Item, /) -> str:
        """Return the tile that the product is cut to, or ""."""


PRODUCTS: Mapping[str, Product] = {
    "sentinel-2-l2a": sentinel2,
    "sentinel-2-l1c": sentinel2,
    "landsat-c2-l2": landsat,
    "landsat-c2-l1": landsat,
    "sentinel-1-rtc": sentinel1,
    "naip": aerial,
    "linz": aerial,
    "modis-09a1": modis,
    "cop-dem-glo-30": maps,
    "esa-worldcover": maps,
}

MAPS = frozenset(name for name, product in PRODUCTS.items() if product is maps)
"""Sensors whose products are of no day."""


IN_SHEETS = MAPS | {"sentinel-1-rtc", "landsat-c2-l2", "landsat-c2-l1"}
"""Sensors whose products are cut by no tile, and so large that few lie on one."""

PHOTOGRAPHS = frozenset(name for name, product in PRODUCTS.items() if product is aerial)
"""Sensors of whose pixels all bands have data, or none."""


def product(sensor: Sensor) -> Product:
    """Return the module that reads a sensor's items."""
    return PRODUCTS.get(sensor.id, common)

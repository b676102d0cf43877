"""A cube's STAC item in the cube's own attributes: the Zarr convention ``stac:``, v0.1.

The item is as of the commit that holds it. It is there for whoever finds a cube without its
catalogue; the catalogue has the same item, with the slots and their sources.
"""

from collections.abc import Mapping
from typing import Any

from zarr_cm import stac

from cubestore.encoding import Json

ITEM = "stac:item"

ENCODING = "stac:encoding"
"""How the item is there: ``attribute``, whole; the other way is a link to it."""


def item_in(attributes: Mapping[str, Any]) -> Json | None:
    """Return the item that a group's attributes hold; None: they hold none."""
    item: Json | None = attributes.get(ITEM)
    return item


def with_item(attributes: Mapping[str, Any], item: Mapping[str, Any]) -> Json:
    """Return a group's attributes with this item in the place of the one before."""
    told = stac.create(item=dict(item))
    return {**stac.insert(attributes, told, overwrite=True), ENCODING: "attribute"}

"""Sentinel-2's granules behind what all scenes offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from odc.geo.geobox import GeoBox

from cubestore_pipelines.simulate import granules, items, products, scenes
from cubestore_pipelines.simulate.assets import ACCOUNT, COLLECTION, CONTAINER, Json
from cubestore_pipelines.simulate.granules import Granule
from cubestore_pipelines.simulate.published import BLOBS
from cubestore_pipelines.simulate.rasters import Layers


@dataclass(frozen=True, slots=True)
class GranuleScene:
    """A granule as a scene."""

    granule: Granule
    sensor = "sentinel-2-l2a"
    collection = COLLECTION

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self.granule.item_id

    def write(self, directory: Path) -> Json:
        """Write the files, and return the item."""
        return products.write(self.granule, directory / BLOBS / ACCOUNT / CONTAINER)

    def gathered(self, items_: Sequence[Json]) -> Json:
        """Return the collection."""
        return items.collection(items_)

    def truth(self, grid: GeoBox, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold, on a part of its tile's 10 m pixels."""
        return granules.truth(self.granule, grid, scenes.bands_of(self.sensor, bands))

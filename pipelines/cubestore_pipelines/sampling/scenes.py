"""What a catalogue has of a sensor in an area, and one band of it opened, for rules of pixels."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from rasterio.io import DatasetReader

import cubestore
from cubestore_pipelines import read
from cubestore_pipelines.addresses import policy
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.read import Access
from cubestore_pipelines.scene import Scene
from cubestore_pipelines.search import Query, catalog, interval, search
from cubestore_pipelines.sign import by_name

EARTH = shapely.box(-180, -90, 180, 90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A catalogue, and the band of a sensor that is asked of it."""

    catalog: str
    """A provider, or the address or path of a catalogue."""

    sensor: str
    band: str
    timeout: float = 30.0
    """Seconds that a server may take to answer."""

    def scenes(self, area: shapely.Geometry | None = None, datetime: str = "") -> list[Scene]:
        """Return the scenes in an area, by time.

        Args:
            area: in lon/lat, in parts at the antimeridian; None: the Earth.
            datetime: ``A/B`` in UTC; "": all times.

        Raises:
            CatalogError: the catalogue cannot be searched.
            ItemError: it has an item of the sensor that cannot be used.
        """
        sensor, where = cubestore.sensor(self.sensor), catalog(self.catalog)
        start, end = interval(datetime)
        query = Query(sensor=sensor, area=EARTH if area is None else area, start=start, end=end)
        items = search(where, query, timeout=self.timeout).items
        return [harmonise(one, sensor, [self.band], profile=where.profile) for one in items]

    @contextlib.contextmanager
    def opened(self, scene: Scene) -> Iterator[DatasetReader]:
        """Open the band's file.

        Raises:
            AssetError: it cannot be read, may not be, or is not what its item declares.
        """
        where = catalog(self.catalog)
        access = Access(
            policy=policy(where.address),
            sign=by_name(scene.provider, where.profile),
            timeout=self.timeout,
        )
        raster = scene.bands[self.band]
        with read.opened([raster], access, name=f"{scene.item_id} {raster.asset}") as file:
            yield file.dataset

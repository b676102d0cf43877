"""What a catalogue has of a sensor in an area, and one band of it opened, for rules of pixels."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from rasterio.io import DatasetReader

import cubestore
from cubestore_pipelines import read
from cubestore_pipelines.addresses import policy
from cubestore_pipelines.errors import OtherProductError, PlanError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.items import Item
from cubestore_pipelines.providers import Provider, providers
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
            PlanError: the datetime cannot be understood.
            CatalogError: the catalogue cannot be searched.
            ItemError: it has an item that cannot be read, or one of the sensor that cannot be used.
        """
        where = catalog(self.catalog)
        try:
            start, end = interval(datetime)
        except ValueError:
            raise PlanError(
                f"The datetime {datetime!r}",
                expected="A/B, each a year, a month, a day, a moment or ..",
                remedy="for example --datetime 2023-06-01/2023-08-31",
            ) from None
        query = Query(
            sensor=cubestore.sensor(self.sensor),
            area=EARTH if area is None else area,
            start=start,
            end=end,
        )
        found = search(where, query, timeout=self.timeout)
        for _, error in found.unreadable:
            raise error
        scenes = (self._scene(item, where.profile) for item in found.items)
        return [scene for scene in scenes if scene is not None]

    def _scene(self, item: Item, profile: Provider | None) -> Scene | None:
        """Return an item as a scene; None where it is of another sensor: catalogues hold many."""
        known = [one.collections.get(item.collection) for one in providers().values()]
        sensors = {told.sensor for told in known if told is not None}
        if sensors and self.sensor not in sensors:
            return None
        try:
            return harmonise(item, cubestore.sensor(self.sensor), [self.band], profile=profile)
        except OtherProductError:
            return None

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

"""What a catalogue has about the chips of a granule: which scenes show a chip, and their pixels.

Searched, harmonised and read as for a cube. Nothing here stands in for what is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import shapely
from odc.geo.geobox import GeoBox

import cubestore
from cubestore import grids
from cubestore.sensors import Sensor
from cubestore_pipelines import offset, pairs
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.benchmarks.floods.granules import OpticalGranule, RadarGranule
from cubestore_pipelines.build import reading_of
from cubestore_pipelines.candidates import Candidates, candidates, catalog_of, found_by
from cubestore_pipelines.choices import Choices, choices
from cubestore_pipelines.coverage import Ground
from cubestore_pipelines.errors import AssetError, NothingFoundError
from cubestore_pipelines.harmonise import harmonise
from cubestore_pipelines.plan import Plan
from cubestore_pipelines.shard import Outcome, Task, carry_out

OPTICAL, RADAR, HEIGHTS = "sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"
SENSORS = (OPTICAL, RADAR, HEIGHTS)
BANDS: Mapping[str, tuple[str, ...]] = {
    OPTICAL: tuple(band.name for band in cubestore.sensor(OPTICAL).bands),
    RADAR: ("vh", "vv"),
    HEIGHTS: ("elevation",),
}
"""The 13 bands, in Clay's order."""

WITHIN = timedelta(days=3)
"""Between radar and Sentinel-2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a catalogue has within three days of a granule, about some of its chips."""

    granule: OpticalGranule
    options: Choices
    candidates: Mapping[str, Candidates]
    """Sensor -> acquisitions on the granule's tile."""

    @classmethod
    def search(
        cls, granule: OpticalGranule, area: shapely.Geometry, archive: Mapping[str, Any]
    ) -> "Found":
        """Search for all three sensors.

        Args:
            granule: of the chips.
            area: that they cover, in lon/lat.
            archive: options of :func:`cubestore_pipelines.choices`.

        Raises:
            CatalogError: the catalogue cannot be searched.
        """
        span = (granule.time - WITHIN, granule.time + WITHIN)
        options = choices(
            sensor=SENSORS,
            tile=granule.tile,
            aoi=area,
            datetime="/".join(moment.isoformat() for moment in span),
            **archive,
        )
        found = {one.sensor.id: one for one in candidates(None, options)}
        return cls(granule=granule, options=options, candidates=found)

    def optical(self) -> Acquisition:
        """Return the acquisition of Level-2A of the granule's datatake and tile.

        Raises:
            NothingFoundError: there is none.
        """
        for one in self.candidates[OPTICAL].found:
            if self.granule.is_shown_by(one):
                return one
        raise self._nothing(OPTICAL, f"of the granule {self.granule.product}")

    def first_of_the_day(self, footprint: shapely.Geometry) -> Acquisition:
        """Return what Clay's script took: the day's first item, whichever granule it is.

        The Planetary Computer gives the latest first, and of one moment the last by its id.

        Raises:
            NothingFoundError: there is none.
            ItemError: it cannot be used.
        """
        where, sensor = catalog_of(self.options), cubestore.sensor(OPTICAL)
        tiles = [grids.tile(self.granule.tile)]
        items = [
            item
            for item in found_by(where, self.options, sensor, tiles).items
            if item.time.date() == self.granule.time.date()
            and (item.geometry is None or item.geometry.intersects(footprint))
        ]
        if not items:
            raise self._nothing(OPTICAL, f"of {self.granule.time:%Y-%m-%d}")
        first = max(items, key=lambda item: (item.time, item.id))
        word = self.options.dn_offset
        scene = harmonise(first, sensor, BANDS[OPTICAL], profile=where.profile, dn_offset=word)
        return Acquisition((scene,))

    def radar(
        self,
        frame: RadarGranule,
        moment: datetime,
        listed: set[str],
        footprint: shapely.Geometry,
    ) -> list[Acquisition]:
        """Return radar of the benchmark's own list, the nearest first.

        The chip's own frame goes before others, for its label was drawn on it; where it does not
        cover the chip, what of the list covers it best.

        Args:
            frame: the chip's own.
            moment: of Sentinel-2.
            listed: ids of the benchmark's frames.
            footprint: the chip's, in lon/lat.

        Raises:
            NothingFoundError: there is none.
        """
        found = list(_listed(self.candidates[RADAR].found, listed))
        own = [one for one in found if frame.corrected in one.item_id.split()]
        ground = self._ground(cubestore.sensor(RADAR), footprint)
        taken: list[Acquisition] = []
        for some in (own, found):
            taken, covered = pairs.partners(moment, some, WITHIN, ground)
            if covered >= pairs.COVERED:
                break
        if not taken:
            raise self._nothing(RADAR, "of the benchmark's own list within three days")
        return sorted(taken, key=lambda one: abs(one.time - moment))

    def heights(self) -> list[Acquisition]:
        """Return the sheets of heights.

        Raises:
            NothingFoundError: there are none.
        """
        if not self.candidates[HEIGHTS].found:
            raise self._nothing(HEIGHTS, "of the place")
        return list(self.candidates[HEIGHTS].found)

    def read(
        self, name: str, some: Sequence[Acquisition], grid: GeoBox, footprint: shapely.Geometry
    ) -> Outcome:
        """Return acquisitions' pixels on a grid: of each the first that has data.

        Raises:
            AssetError: a file cannot be read, or has nothing there.
            OffsetError: the pixels disprove the offset that was decided.
        """
        sensor = cubestore.sensor(name)
        ground = self._ground(sensor, footprint)
        scenes = [scene for one in some for scene in one.scenes if ground.meets(scene.footprint)]
        task = Task(
            sensor=sensor,
            bands=BANDS[name],
            layers=(),
            slot=0,
            shard=(0, 0),
            grid=grid,
            scenes=tuple(scenes),
            reading=reading_of(Plan(choices=self.options, cubes=())),
        )
        outcome = carry_out(task)
        _refuse_failed(outcome, some)
        return outcome

    def _ground(self, sensor: Sensor, footprint: shapely.Geometry) -> Ground:
        return Ground(sensor, grids.tile(self.granule.tile), footprint)

    def _nothing(self, name: str, which: str) -> NothingFoundError:
        """Return the error for a scene that is not there, with the refusal that may be why."""
        refused = self.candidates[name].refused[:1]
        why = "".join(f"; {one.found}" for one in refused)
        return NothingFoundError(
            f"The catalogue has no {name} {which}{why}",
            expected=f"one on {self.granule.tile}",
            remedy="".join(one.remedy for one in refused) or "search another --catalog",
        )


def _listed(found: Sequence[Acquisition], listed: set[str]) -> Iterator[Acquisition]:
    """Yield what of acquisitions stands in a list."""
    for one in found:
        if scenes := tuple(scene for scene in one.scenes if scene.item_id in listed):
            yield Acquisition(scenes)


def _refuse_failed(outcome: Outcome, some: Sequence[Acquisition]) -> None:
    """Refuse what could not be read, has no data, or proves its offset wrong."""
    names = " ".join(one.item_id for one in some)
    if told := outcome.failure:
        where = f"Item {told.item}, asset {told.asset}"
        found = told.found if told.found.startswith("Item ") else f"{where}: {told.found}"
        raise AssetError(found, expected=told.expected, remedy=told.remedy)
    if not outcome.valid:
        raise AssetError(
            f"{names} has no data on the chip",
            expected="a scene that shows it: footprints are drawn with a coarse pen",
            remedy="search another --catalog",
        )
    dn_offset = some[0].scenes[0].dn_offset
    offset.refuse_contradiction(names, dn_offset, dark=outcome.dark, valid=outcome.evidence)

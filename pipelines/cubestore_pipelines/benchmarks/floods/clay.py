"""Clay's way: for each chip of C2S-MS the scenes that Clay's encoders read, on the chip's bounds.

The Level-2A scene of the chip's granule, Sentinel-1 within three days that is in the benchmark's
own list, and heights: 13 bands, and the chip's labels. Scenes are searched, offsets decided and
pixels read as for a cube. What has no scene, or a file that cannot be read, is refused, with the
reason: never nodata.

Source: Clay, scripts/datacube_benchmark.py of the branch c2smsfloods_benchmark_datapipeline. Its
limits of clouds and nodata, and its ten attempts at a match, have no effect there, nor here.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import shapely

import cubestore
from cubestore.patches import PatchDescription, Pixels
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.benchmarks.floods import chips, rasters
from cubestore_pipelines.benchmarks.floods.chips import Chip
from cubestore_pipelines.benchmarks.floods.granules import OpticalGranule, RadarGranule
from cubestore_pipelines.benchmarks.floods.layouts import Layout
from cubestore_pipelines.benchmarks.floods.scenes import BANDS, HEIGHTS, OPTICAL, RADAR, Found
from cubestore_pipelines.errors import AssetError, DatasetError, ItemError, NothingFoundError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.shard import Outcome

SUFFIXES = {OPTICAL: "", RADAR: "s1", HEIGHTS: "dem"}
"""Sensor -> what its variable and columns end with."""

_ANY = ("item_id", "source_url", "valid_fraction")
_PASS = ("time", "platform", "orbit_state", "relative_orbit")
TOLD: Mapping[str, tuple[str, ...]] = {
    OPTICAL: (*_ANY, *_PASS, "processing_baseline", "dn_offset", "dn_offset_source", "cloud_cover"),
    RADAR: (*_ANY, *_PASS),
    HEIGHTS: _ANY,
}
"""What the set tells of each sensor's acquisition."""

Patch = tuple[chips.Pixels, Mapping[str, Any]]


class Way:
    """Clay's way through the chips of a benchmark."""

    def __init__(
        self,
        found: Sequence[Chip],
        layout: Layout,
        compat: Literal["", "clay"],
        archive: Mapping[str, Any],
        *,
        listed: Sequence[Chip],
    ) -> None:
        """Take the chips.

        Args:
            found: of C2S-MS.
            layout: that they are in.
            compat: whose choice of scenes.
            archive: options of :func:`cubestore_pipelines.choices`: the catalogue and its like.
            listed: all chips of the benchmark; their radar is its list.

        Raises:
            DatasetError: the chips do not tell their granules.
        """
        if any(chip.granules is None for chip in listed):
            raise DatasetError(
                f"{layout.name} does not tell from which granules its chips were cut",
                expected="C2S-MS floods, whose folders are called as products",
                remedy="leave out --catalog",
            )
        nearest = {"resampling": "nearest"} if compat else {}
        self._layout, self._compat, self._archive = layout, compat, {**nearest, **archive}
        self._granules: dict[str, list[Chip]] = {}
        for chip in found:
            self._granules.setdefault(_named(chip)[0].product, []).append(chip)
        self._listed = {_named(chip)[1].corrected for chip in listed}

    def description(self) -> PatchDescription:
        """Return the patch set before its first patch."""
        known = [cubestore.sensor(name) for name in SUFFIXES]
        return PatchDescription(
            name="c2sms/clay",
            title="C2S-MS floods as Clay reads them: Sentinel-2 Level-2A, Sentinel-1 RTC, heights",
            pixels=tuple(
                Pixels.of(name, size=rasters.SIDE, bands=BANDS[name], suffix=suffix)
                for name, suffix in SUFFIXES.items()
            ),
            labels=self._layout.labels,
            attribution="; ".join([self._layout.source, *(one.attribution for one in known)]),
            license=self._layout.license,
        )

    def patches(self) -> Iterator[Patch | Refusal]:
        """Yield each chip's patch, or why it has none.

        Raises:
            DatasetError: a label is not as it was published.
            CatalogError: the catalogue cannot be searched.
        """
        for some in self._granules.values():
            places = [chips.read_labels(chip, self._layout.files.CODES) for chip in some]
            area = shapely.union_all([_footprint(place) for place in places])
            there = Found.search(_named(some[0])[0], area, self._archive)
            for chip, place in zip(some, places, strict=True):
                try:
                    yield self._patch(chip, place, there)
                except (NothingFoundError, ItemError, AssetError) as error:
                    yield Refusal.of(chip.id, error)

    def _patch(self, chip: Chip, place: chips.Reading, there: Found) -> Patch:
        footprint = _footprint(place)
        seen = there.first_of_the_day(footprint) if self._compat else there.optical()
        taken = {
            OPTICAL: [seen],
            RADAR: there.radar(_named(chip)[1], seen.time, self._listed, footprint),
            HEIGHTS: there.heights(),
        }
        pixels, columns = dict(place.pixels), _told_of(chip, place)
        for name, some in taken.items():
            outcome = there.read(name, some, place.grid, footprint)
            pixels |= {_suffixed(k, name): values for k, values in outcome.arrays.items()}
            columns |= {_suffixed(k, name): told for k, told in _told(name, some, outcome).items()}
        return pixels, columns


def _named(chip: Chip) -> tuple[OpticalGranule, RadarGranule]:
    assert chip.granules is not None  # noqa: S101 - a way begins with those that have them
    return chip.granules


def _footprint(place: chips.Reading) -> shapely.Geometry:
    """Return a chip's outline in lon/lat."""
    return place.grid.geographic_extent.geom


def _suffixed(name: str, sensor: str) -> str:
    return f"{name}_{SUFFIXES[sensor]}" if SUFFIXES[sensor] else name


def _told_of(chip: Chip, place: chips.Reading) -> dict[str, Any]:
    """Return what is known of a patch, whatever its scenes."""
    seen, lit = _named(chip)
    names = {"granule": seen.product, "granule_s1": lit.product, "position": seen.position}
    told = {"patch_id": chip.id, "event": chip.event, "split": chip.split}
    return {**told, **names, **chips.place(place.grid)}


def _told(name: str, some: Sequence[Acquisition], outcome: Outcome) -> dict[str, Any]:
    """Return what the set tells of the acquisitions that a patch was read from."""
    first = some[0].scenes[0]
    urls = dict.fromkeys(s.url.partition("?")[0] for one in some for s in one.scenes if s.url)
    known = {
        "item_id": " ".join(one.item_id for one in some),
        "source_url": " ".join(url for url in urls if " " not in url),
        "valid_fraction": outcome.valid / outcome.pixels,
        "time": some[0].time,
        "cloud_cover": some[0].cloud_cover,
    }
    return {field: known.get(field, getattr(first, field, None)) for field in TOLD[name]}

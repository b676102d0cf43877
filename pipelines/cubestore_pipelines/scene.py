"""A scene: an item as its sensor sees it, with a raster for each band, ready to be read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import shapely


@dataclass(frozen=True, slots=True, kw_only=True)
class Raster:
    """Where the pixels of one band lie, and what the item declares of them."""

    asset: str
    href: str
    """Unsigned."""

    index: int = 1
    """The band of the file, counted from 1."""

    media_type: str = ""
    crs: str = ""
    transform: tuple[float, ...] = ()
    shape: tuple[int, ...] = ()
    own_grid: bool = True
    """Whether transform and shape are the asset's own, or the item's for all of its assets."""

    dtype: str = ""
    nodata: float | None = None
    size: int | None = None
    checksum: str = ""
    """As a multihash in hexadecimal."""

    optional: bool = False
    """Whether it is read where the file has it, and no failure where it has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One product on one footprint."""

    item_id: str
    collection: str
    url: str
    sensor: str
    provider: str = ""
    """Whose way of signing addresses applies, or ""."""

    time: datetime
    time_end: datetime
    footprint: shapely.Geometry | None = None
    """In lon/lat, where the item tells."""

    tile: str = ""
    """The tile that the product is cut to, or ""."""

    occasion: str = ""
    """What a slot's scenes have in common besides platform and orbit: a state and a day, a survey,
    a version. "": the solar day."""

    track: int = -1
    """What one pass sees, where the relative orbit says more: Landsat's WRS path."""

    platform: str = ""
    datatake: str = ""
    """What the platform took in one go, whatever became of it later; "" where not told."""

    sensing_start: str = ""
    """Of the part of the datatake (Sentinel-2's datastrip)."""

    generated: str = ""
    """When the product was made, as text that sorts by time."""

    processing_baseline: str = ""
    processor_version: str = ""
    dn_offset: int = 0
    dn_offset_source: str = ""
    orbit_state: str = ""
    relative_orbit: int = -1
    sun_azimuth: float = math.nan
    sun_elevation: float = math.nan
    view_azimuth: float = math.nan
    view_zenith: float = math.nan
    metadata: Raster | None = None
    """The document that tells the view angles, where the item does not."""

    cloud_cover: float = math.nan
    nodata_cover: float = math.nan
    """Percent of the tile without data, as the provider tells."""

    bands: Mapping[str, Raster] = field(default_factory=dict)
    layers: Mapping[str, Raster] = field(default_factory=dict)
    """The product's masks by the cube's variable."""

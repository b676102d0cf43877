"""A STAC item as this project reads it, whichever version and extensions it was written in.

What differs between the versions meets here: ``proj:epsg``, ``proj:code``, ``proj:wkt2`` and
``proj:projjson``; ``eo:bands`` with ``raster:bands``, and the ``bands`` of STAC 1.1; datetimes in
any offset. What an item means for a sensor is decided in ``harmonise``.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import pyproj
import shapely

from cubestore_pipelines.errors import ItemError

Json = Mapping[str, Any]
HALF_CIRCLE = 180.0
"""Degrees; a footprint that is wider is drawn across the antimeridian without being cut there."""

EPSG_FIELDS = ("proj:epsg", "eo:epsg")
"""``eo:epsg`` is STAC 0.7's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandInfo:
    """What an item says of one band of an asset."""

    name: str = ""
    common_name: str = ""
    dtype: str = ""
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One file of an item."""

    key: str
    href: str
    media_type: str = ""
    crs: str = ""
    """What :class:`pyproj.CRS` understands, or "" where nothing is declared."""

    transform: tuple[float, ...] = ()
    """The six numbers from pixels to the CRS, row by row, or none."""

    shape: tuple[int, ...] = ()
    """Rows and columns, or none."""

    own_grid: bool = True
    """Whether transform or shape stand in the asset, not in the item's properties."""

    bands: tuple[BandInfo, ...] = ()
    gsd: float = math.nan
    roles: tuple[str, ...] = ()
    size: int | None = None
    checksum: str = ""
    """As a multihash in hexadecimal."""

    alternates: Mapping[str, str] = field(default_factory=dict)
    """Other addresses of the file, by what they are called: ``s3``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A STAC item, read."""

    id: str
    collection: str
    url: str
    """Where it was found, or what it calls itself."""

    time: datetime
    """UTC; the start where there is no ``datetime``."""

    time_end: datetime
    properties: Json
    geometry: shapely.Geometry | None
    assets: Mapping[str, Asset]
    document: Json
    """As it was read, unsigned."""

    def portable(self) -> dict[str, Any]:
        """Return the item as JSON that may lie elsewhere: with absolute addresses."""
        assets = {
            key: {**told, "href": self.assets[key].href}
            for key, told in self.document["assets"].items()
            if key in self.assets
        }
        return {**self.document, "assets": assets}

    def text(self, *names: str) -> str:
        """Return the first of some properties that is there, as text, or ""."""
        return next((str(self.properties[n]) for n in names if _known(self.properties, n)), "")

    def number(self, *names: str) -> float:
        """Return the first of some properties that is a number, or NaN."""
        values = (self.properties.get(name) for name in names)
        return next((number for v in values if (number := _optional(v)) is not None), math.nan)


def parse(document: Json, *, base: str = "") -> Item:
    """Return the item of a GeoJSON feature.

    Args:
        document: a STAC item of version 0.7 to 1.1.
        base: where it was read; relative addresses start there. None: at its ``self`` link.

    Raises:
        ItemError: it is none, or its time or its CRS cannot be understood.
    """
    document = document if isinstance(document, Mapping) else {}
    name = document.get("id")
    properties, assets = document.get("properties"), document.get("assets")
    if not isinstance(name, str) or not isinstance(properties, dict) or not assets:
        raise ItemError(
            f"{str(name)[:100]!r} in {base or 'the catalogue'} is no STAC item",
            expected="an id, properties and assets",
            remedy="look at what the catalogue serves there",
        )
    try:
        return _item(document, name, properties, assets, base)
    except (TypeError, AttributeError, ValueError) as error:
        if isinstance(error, ItemError):
            raise
        raise ItemError(
            f"Item {name} has a field of another kind than STAC has: {error}",
            expected="numbers, texts and lists where STAC has them",
            remedy="leave the item out with --skip-item, or report it to the provider",
        ) from None


def _item(document: Json, name: str, properties: Json, assets: object, base: str) -> Item:
    url = base or _self(document)
    start, end = _times(name, properties)
    return Item(
        id=name.strip(),
        collection=str(document.get("collection") or properties.get("collection") or ""),
        url=url,
        time=start,
        time_end=end,
        properties=properties,
        geometry=_geometry(document),
        assets={key: _asset(name, key, asset, properties, url) for key, asset in _assets(assets)},
        document=document,
    )


def _known(properties: Json, name: str) -> bool:
    return properties.get(name) not in (None, "")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _self(document: Json) -> str:
    links = (link for link in document.get("links") or () if link.get("rel") == "self")
    return next((str(link.get("href", "")) for link in links), "")


def _times(name: str, properties: Json) -> tuple[datetime, datetime]:
    start = properties.get("datetime") or properties.get("start_datetime")
    end = properties.get("end_datetime") or start
    try:
        return _utc(start), _utc(end)
    except (ValueError, TypeError):
        raise ItemError(
            f"Item {name} has the datetime {start!r}",
            expected="RFC 3339, such as 2023-06-12T10:50:31Z",
            remedy="report it to the provider",
        ) from None


def _utc(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _geometry(document: Json) -> shapely.Geometry | None:
    if not (geometry := document.get("geometry")):
        return _box(document.get("bbox"))
    try:
        return _cut(shapely.make_valid(_unwrapped(shapely.from_geojson(json.dumps(geometry)))))
    except (shapely.GEOSException, ValueError):
        return None


def _unwrapped(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return what is drawn the long way round the earth as it was meant, east of 180 degrees."""
    west, _, east, _ = geometry.bounds
    if east - west <= HALF_CIRCLE:
        return geometry
    turned = shapely.transform(geometry, lambda xy: xy + [2 * HALF_CIRCLE, 0] * (xy[:, :1] < 0))
    left, _, right, _ = turned.bounds
    return turned if 0 < right - left < HALF_CIRCLE else geometry


def _cut(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return what reaches over 180 degrees in two parts, as RFC 7946 wants it."""
    west, south, east, north = geometry.bounds
    if west >= -HALF_CIRCLE and east <= HALF_CIRCLE:
        return geometry
    parts = []
    for turn in (-1, 0, 1):
        start = (2 * turn - 1) * HALF_CIRCLE
        part = shapely.intersection(
            geometry, shapely.box(start, south, start + 2 * HALF_CIRCLE, north)
        )
        parts.append(shapely.transform(part, lambda xy, by=turn: xy - [2 * by * HALF_CIRCLE, 0]))
    return shapely.union_all([part for part in parts if not part.is_empty])


def _box(bbox: object) -> shapely.Geometry | None:
    """Return the box of four or six numbers, None for what is none; it may cross 180 degrees."""
    if not isinstance(bbox, list) or len(bbox) not in {4, 6} or not all(map(_is_number, bbox)):
        return None
    west, south, east, north = bbox[0], bbox[1], bbox[len(bbox) // 2], bbox[len(bbox) // 2 + 1]
    if south > north:
        return None
    return _cut(shapely.box(west, south, east + (2 * HALF_CIRCLE if east < west else 0), north))


def _assets(assets: object) -> Iterator[tuple[str, Json]]:
    pairs = assets.items() if isinstance(assets, dict) else ()
    for key, asset in pairs:
        if isinstance(asset, dict) and isinstance(asset.get("href"), str):
            yield key, asset


def _asset(item: str, key: str, asset: Json, properties: Json, base: str) -> Asset:
    own = "proj:transform" in asset or "proj:shape" in asset
    grid = asset if own else properties
    return Asset(
        key=key,
        href=resolve(base, asset["href"]),
        media_type=str(asset.get("type") or ""),
        crs=_crs(item, asset) or _crs(item, properties),
        transform=tuple(float(n) for n in (grid.get("proj:transform") or ())[:6]),
        shape=tuple(int(n) for n in grid.get("proj:shape") or ()),
        own_grid=own,
        bands=_bands(asset),
        gsd=float(asset["gsd"]) if _is_number(asset.get("gsd")) else math.nan,
        roles=tuple(asset.get("roles") or ()),
        size=asset.get("file:size") if _is_number(asset.get("file:size")) else None,
        checksum=str(asset.get("file:checksum") or asset.get("checksum:multihash") or ""),
        alternates=dict(_alternates(asset.get("alternate"), base)),
    )


def _alternates(told: object, base: str) -> Iterator[tuple[str, str]]:
    """Yield other addresses of an asset, by name."""
    for name, other in told.items() if isinstance(told, dict) else ():
        if isinstance(other, dict) and isinstance(other.get("href"), str):
            yield str(name), resolve(base, other["href"])


def resolve(base: str, href: str) -> str:
    """Return an address that may be relative to where it was read."""
    if "://" in href:
        return href
    if "://" in base:
        return urljoin(base, href)
    if href.startswith("/"):
        return href
    folder = base.rpartition("/")[0]
    return f"{folder}/{href.removeprefix('./')}" if folder else href


def _crs(item: str, fields: Json) -> str:
    """Return what is declared of the CRS as text that pyproj understands."""
    declared: Any = ""
    if code := next((fields[n] for n in EPSG_FIELDS if fields.get(n) is not None), None):
        declared = f"EPSG:{code}"
    declared = fields.get("proj:code") or declared
    declared = declared or fields.get("proj:wkt2") or fields.get("proj:projjson") or ""
    if not declared:
        return ""
    try:
        crs = pyproj.CRS.from_user_input(declared)
    except pyproj.exceptions.CRSError:
        raise ItemError(
            f"Item {item} declares the CRS {str(declared)[:80]!r}",
            expected="an EPSG code, WKT2 or PROJJSON",
            remedy="leave the item out with --skip-item, or report it to the provider",
        ) from None
    return str(declared) if isinstance(declared, str) else crs.to_wkt()


def _bands(asset: Json) -> tuple[BandInfo, ...]:
    """Return the bands of STAC 1.1, or eo:bands and raster:bands side by side."""
    own = asset.get("bands") or ()
    eo, raster = asset.get("eo:bands") or (), asset.get("raster:bands") or ()
    count = max(len(own), len(eo), len(raster))
    columns = [_objects(listed, count) for listed in (own, eo, raster)]
    return tuple(
        _band({**defaults, **e, **r, **o}, (o, e))
        for defaults in [_of_all_bands(asset)]
        for o, e, r in zip(*columns, strict=True)
    ) or _lone_band(asset)


def _lone_band(asset: Json) -> tuple[BandInfo, ...]:
    """STAC 1.1: what holds for every band may stand in the asset itself."""
    fields = _of_all_bands(asset)
    return (_band(fields, (fields, {})),) if fields else ()


def _of_all_bands(asset: Json) -> dict[str, Any]:
    names = ("data_type", "nodata", "raster:scale", "raster:offset")
    return {name: asset[name] for name in names if name in asset}


def _objects(listed: Sequence[Any], count: int) -> list[Json]:
    objects = [one if isinstance(one, dict) else {} for one in listed]
    return [*objects, *({} for _ in range(count - len(objects)))]


def _band(fields: Json, named: tuple[Json, Json]) -> BandInfo:
    names = (one.get("name") for one in named)
    common = (one.get("eo:common_name") or one.get("common_name") for one in named)
    return BandInfo(
        name=str(next((n for n in names if n), "")),
        common_name=str(next((n for n in common if n), "")),
        dtype=str(fields.get("data_type") or ""),
        nodata=_nodata(fields.get("nodata")),
        scale=_optional(fields.get("raster:scale", fields.get("scale"))),
        offset=_optional(fields.get("raster:offset", fields.get("offset"))),
    )


def _nodata(value: object) -> float | None:
    words = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
    return words.get(value) if isinstance(value, str) else _optional(value)


def _optional(value: object) -> float | None:
    return float(value) if _is_number(value) else None  # type: ignore[arg-type]

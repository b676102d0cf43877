"""Which asset of an item holds which band: as its provider's file says, else by names.

In this order: the profile of the catalogue, or the user's own; a built-in collection of that name;
any built-in collection whose assets the item has; the names of assets and bands.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cubestore.sensors import Band, Layer, Sensor
from cubestore_pipelines.errors import ItemError
from cubestore_pipelines.items import Asset, BandInfo, Item
from cubestore_pipelines.products import product
from cubestore_pipelines.providers import ANY, Collection, Provider, Source, providers

MASKS = {
    "sentinel-2-l2a": {"quality": "SCL"},
    "landsat-c2-l2": {
        "quality": "QA_PIXEL",
        "saturation": "QA_RADSAT",
        "surface_temperature": "ST_B10",
    },
    "landsat-c2-l1": {"quality": "QA_PIXEL", "saturation": "QA_RADSAT"},
    "modis-09a1": {
        "quality": "sur_refl_qc_500m",
        "state": "sur_refl_state_500m",
        "day_of_year": "sur_refl_day_of_year",
        "solar_zenith_angle": "sur_refl_szen",
        "view_zenith_angle": "sur_refl_vzen",
        "relative_azimuth_angle": "sur_refl_raz",
    },
    "sentinel-1-rtc": {"layover_shadow": "mask"},
}
"""What products call a sensor's layers, where a provider's file does not tell."""

PICTURES = {"visual", "overview", "thumbnail"}
"""Roles of what is to be looked at: its bands bear the names, not the numbers."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """How an item maps onto a sensor, and whose word that is."""

    provider: Provider | None
    collection: Collection


def mapping(item: Item, sensor: Sensor, profile: Provider | None) -> Mapping:
    """Return how an item's assets map onto a sensor's bands.

    Raises:
        ItemError: the profile says that the item's collection is another sensor's.
    """
    if profile is not None and (told := profile.collection(item.collection)):
        if told.sensor != sensor.id:
            raise ItemError(
                f"Item {item.id} is of collection {item.collection!r}, which holds {told.sensor}",
                expected=sensor.id,
                remedy=f"search for --sensor {told.sensor}",
            )
        return Mapping(profile, told)
    for provider, collection in _built_in(item, sensor):
        if _fits(item, sensor, collection):
            return Mapping(provider, collection)
    if not _tells(item, sensor):
        raise ItemError(
            f"Item {item.id} is of collection {item.collection!r}",
            expected=f"one that is known to hold {sensor.id}",
            remedy="map the collection with --profile, if that is what it holds",
        )
    return Mapping(None, _by_names(item, sensor))


def locate(item: Item, sources: Collection, name: str) -> tuple[Asset, int]:
    """Return the asset that holds a band or layer, and its index.

    Raises:
        ItemError: the item has none.
    """
    source = sources.bands.get(name) or sources.layers.get(name)
    keys = source.assets if source else ()
    for key in keys:
        if source and key in item.assets:
            return item.assets[key], source.index
    raise ItemError(
        f"Item {item.id} has no asset for {name}",
        expected=" or ".join(keys) or f"one called {name}, or whose bands are",
        remedy=f"it has {', '.join(list(item.assets)[:20])}; leave the item out with --skip-item,"
        " or tell with --profile which asset holds the band",
    )


def _built_in(item: Item, sensor: Sensor) -> Iterator[tuple[Provider, Collection]]:
    """Yield the built-in collections of a sensor: those of the item's server and name first.

    Others are tried where the sensor's items tell of themselves what product they are.
    """
    addresses = [asset.href for asset in item.assets.values()]
    known = [
        (not provider.serves(addresses), name != item.collection, provider, collection)
        for provider in providers().values()
        for name, collection in provider.collections.items()
        if collection.sensor == sensor.id and name != ANY
    ]
    for _, other, provider, collection in sorted(known, key=lambda one: one[:2]):
        if not other or _tells(item, sensor):
            yield provider, collection


def _tells(item: Item, sensor: Sensor) -> bool:
    """Whether an item of a collection that nobody knows tells what product it is."""
    return product(sensor).identifies(item, sensor) or item.collection.lower() == sensor.id


def _fits(item: Item, sensor: Sensor, collection: Collection) -> bool:
    """Whether an item has all the assets that its sensor's products always have."""
    layers = [layer.name for layer in sensor.layers if layer.name in collection.layers]
    return all(collection.has(item, name) for name in (*collection.bands, *layers))


def _by_names(item: Item, sensor: Sensor) -> Collection:
    """Return what the names of assets and bands tell; what they do not is left out."""
    bands = {
        band.name: source
        for band in sensor.every_band
        if (source := _named(item, _spellings(band), gsd=band.gsd))
    }
    layers = {
        layer.name: source
        for layer in sensor.every_layer
        if (source := _named(item, _mask_spellings(layer, sensor), gsd=sensor.gsd))
    }
    return Collection(sensor=sensor.id, bands=bands, layers=layers)


def _spellings(band: Band) -> set[str]:
    """``B02`` is ``B2`` with some."""
    short = re.sub(r"^B0(\d)$", r"B\1", band.name)
    return {band.name.lower(), short.lower()}


def _mask_spellings(layer: Layer, sensor: Sensor) -> set[str]:
    own = MASKS.get(sensor.id, {}).get(layer.name, layer.name).lower()
    return {layer.name, own, f"{own}.tif"}


def _named(item: Item, names: set[str], *, gsd: float) -> Source | None:
    """Return the source of that name: the asset of its own before a band among many."""
    found = sorted(
        (many, abs(asset.gsd - gsd) if asset.gsd == asset.gsd else 0, key, index)
        for key, asset in item.assets.items()
        if not PICTURES & {*asset.roles, key}
        for many, index in _positions(key, asset, names)
    )
    return Source((found[0][2],), found[0][3]) if found else None


def _positions(key: str, asset: Asset, names: set[str]) -> Iterable[tuple[bool, int]]:
    """Yield where a band of one of the names lies in an asset, and whether it is among many."""
    bands: tuple[BandInfo, ...] = asset.bands
    for index, band in enumerate(bands, 1):
        if band.name.lower() in names:
            yield len(bands) > 1, index
    if len(bands) <= 1 and re.sub(r"_\d+m$", "", key.lower()) in names:
        yield False, 1

"""An item's numbers -> the sensor's: which file holds which band, which offset is in its pixels.

What cannot be decided is refused with the option that decides it. Nothing here reads a file.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cubestore.sensors import Sensor
from cubestore_pipelines import angles, offset
from cubestore_pipelines.errors import ItemError, OtherProductError
from cubestore_pipelines.items import Asset, BandInfo, Item
from cubestore_pipelines.mapping import Mapping, locate, mapping
from cubestore_pipelines.products import PHOTOGRAPHS, product
from cubestore_pipelines.providers import Provider, providers
from cubestore_pipelines.scene import Raster, Scene


def harmonise(
    item: Item,
    sensor: Sensor,
    bands: Iterable[str],
    *,
    layers: Iterable[str] = (),
    profile: Provider | None = None,
    dn_offset: int | None = None,
) -> Scene:
    """Return an item as a sensor's scene.

    Args:
        item: from any catalogue.
        sensor: whose product it is taken for.
        bands: names of those wanted.
        layers: names of optional layers that are taken where the item has them.
        profile: of the catalogue, or a user's own; it goes before what is built in.
        dn_offset: the user's word on what must be added to the digital numbers.

    Raises:
        ItemError: it is another sensor's product, or lacks a band.
        OffsetError: the offset is undecided, or its evidence contradicts itself.
    """
    wanted = tuple(bands)
    _refuse_other(item, sensor, profile)
    known = mapping(item, sensor, profile)
    masks = [layer.name for layer in sensor.layers if layer.name in known.collection.layers]
    masks += [name for name in layers if known.collection.has(item, name)]
    alternate = known.provider.alternate if known.provider else ""
    located = {n: locate(item, known.collection, n) for n in _needed(wanted, sensor, known)}
    _refuse_other_numbers(item, sensor, located)
    facts = {"item_id": item.id} | product(sensor).facts(item)
    _refuse_words(facts["item_id"])
    scene = Scene(
        collection=item.collection,
        url=item.url,
        sensor=sensor.id,
        provider=known.provider.id if known.provider else "",
        time=item.time,
        time_end=item.time_end,
        footprint=item.geometry,
        bands={
            name: replace(_raster(*where, alternate), optional=name not in wanted)
            for name, where in located.items()
        },
        metadata=_metadata(item, alternate),
        layers={name: _raster(*locate(item, known.collection, name), alternate) for name in masks},
        **facts,
    )
    return _with_offset(scene, item, known, list(located.values()), dn_offset)


def _refuse_other(item: Item, sensor: Sensor, profile: Provider | None) -> None:
    """Refuse another product, unless the user says of its very collection that it will do."""
    try:
        product(sensor).refuse_other(item, sensor)
    except OtherProductError:
        own = profile is not None and profile is not providers().get(profile.id)
        if not (own and profile and item.collection in profile.collections):
            raise


def _refuse_other_numbers(
    item: Item, sensor: Sensor, located: dict[str, tuple[Asset, int]]
) -> None:
    """Refuse numbers that mean something else than the sensor's: a cube has one scale for all.

    Sentinel-2's providers differ in what they declare; its offset is decided by all evidence.
    """
    told = sensor.pixels
    for name, where in located.items() if sensor.id not in offset.EVIDENCE else ():
        band = _info(*where)
        pairs = [
            (band.scale, told.scale_factor or 1.0, "scale"),
            (band.offset, told.add_offset or 0.0, "offset"),
        ]
        for found, expected, what in pairs:
            if found is not None and not math.isclose(found, expected, rel_tol=1e-6):
                raise ItemError(
                    f"Item {item.id} declares for {name} the {what} {found:g}",
                    expected=f"{expected:g}, as {sensor.id} has it",
                    remedy="it is another product: leave it out with --skip-item",
                )


def _needed(bands: Iterable[str], sensor: Sensor, known: Mapping) -> list[str]:
    """Return the bands to locate; a photograph has data where any of its bands has."""
    others = [b.name for b in sensor.bands if sensor.id in PHOTOGRAPHS]
    return list(dict.fromkeys([*bands, *(n for n in others if n in known.collection.bands)]))


def _with_offset(
    scene: Scene,
    item: Item,
    known: Mapping,
    located: Sequence[tuple[Asset, int]],
    word: int | None,
) -> Scene:
    """Decide the offset where the sensor's products may have one."""
    if scene.sensor not in offset.EVIDENCE:
        return scene
    decision = offset.decide(
        item,
        baseline=scene.processing_baseline,
        declared=[_declared(_info(*where)) for where in located],
        word=known.collection.dn_offset if word is None else word,
    )
    return replace(scene, dn_offset=decision.dn_offset, dn_offset_source=decision.source)


def _declared(band: BandInfo) -> float | None:
    """Return the offset that a band declares, in digital numbers."""
    if band.offset is None or not band.scale:
        return None
    return band.offset / band.scale


def _raster(asset: Asset, index: int, alternate: str) -> Raster:
    band = _info(asset, index)
    return Raster(
        asset=asset.key,
        href=asset.alternates.get(alternate, asset.href),
        index=index,
        media_type=asset.media_type,
        crs=asset.crs,
        transform=asset.transform,
        shape=asset.shape,
        own_grid=asset.own_grid,
        dtype=band.dtype,
        nodata=band.nodata,
        size=asset.size,
        checksum=asset.checksum,
    )


def _metadata(item: Item, alternate: str) -> Raster | None:
    """Return the document of the view angles, where the item has one and does not tell them."""
    found = [item.assets[name] for name in angles.ASSETS if name in item.assets]
    told = not math.isnan(item.number("view:incidence_angle"))
    return None if told or not found else _raster(found[0], 1, alternate)


def _info(asset: Asset, index: int) -> BandInfo:
    return asset.bands[index - 1] if len(asset.bands) >= index else BandInfo()


def _refuse_words(item_id: str) -> None:
    if not item_id or len(item_id.split()) != 1:
        raise ItemError(
            f"Item {item_id!r} has an id of several words",
            expected="one word: a slot lists its items with spaces between",
            remedy="report it to the provider, or leave the item out with --skip-item",
        )

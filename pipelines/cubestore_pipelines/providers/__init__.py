"""Where providers keep what: addresses, collections, which asset holds which band. No physics.

A provider is one YAML file beside this one; a user's own is such a file too (``--profile``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from cubestore.errors import UnknownSensorError
from cubestore.sensors import Sensor, sensor
from cubestore_pipelines.errors import ProfileError
from cubestore_pipelines.items import Item

FROM_ITEM = "from-item"
ANY = "*"
"""Stands for every collection that the file does not name."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an item holds a band: an asset, of several spellings the first that is there."""

    assets: tuple[str, ...]
    index: int = 1
    """The band of the file, counted from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """How a collection maps onto a sensor."""

    sensor: str
    bands: Mapping[str, Source]
    layers: Mapping[str, Source] = field(default_factory=dict)
    """``quality`` and the sensor's other masks."""

    dn_offset: int | None = None
    """What is added to the product's digital numbers; None: the item's own metadata decide."""

    def has(self, item: Item, name: str) -> bool:
        """Whether an item has an asset for a band or layer."""
        source = self.bands.get(name) or self.layers.get(name)
        return source is not None and any(key in item.assets for key in source.assets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How objects of S3 are asked for."""

    endpoint: str = ""
    region: str = ""
    signed: bool = False
    requester_pays: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A catalogue that is known by name, or a user's own profile."""

    id: str
    title: str = ""
    url: str = ""
    sign: str = ""
    """The way its addresses are signed, or ""."""

    hosts: tuple[str, ...] = ()
    """How the names of its servers end: whose item it is shows in its addresses."""

    collections: Mapping[str, Collection]
    alternate: str = ""
    """Which of an asset's alternate addresses is taken, where it has it; "": its own."""

    s3: Bucket = field(default_factory=Bucket)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    """Those that differ from :attr:`s3`."""

    def collection(self, name: str) -> Collection | None:
        """Return what is known of a collection."""
        return self.collections.get(name) or self.collections.get(ANY)

    def serves(self, addresses: Iterable[str]) -> bool:
        """Whether some addresses are of its servers."""
        hosts = {urlsplit(address).hostname or "" for address in addresses}
        return any(host.endswith(self.hosts) for host in hosts if self.hosts)

    def of_sensor(self, sensor_id: str) -> list[str]:
        """Return the ids of the collections that hold a sensor's products."""
        return [n for n, c in self.collections.items() if c.sensor == sensor_id and n != ANY]


@cache
def providers() -> Mapping[str, Provider]:
    """Return the built-in providers by id."""
    found = sorted(files(__package__).iterdir(), key=lambda file: file.name)
    named = [file for file in found if file.name.endswith(".yaml")]
    return {
        one.id: one
        for one in (_provider(f.name.removesuffix(".yaml"), _read(f.read_text())) for f in named)
    }


def profile(path: str | Path) -> Provider:
    """Return the provider that a user's file describes, or a built-in one by its name.

    Raises:
        ProfileError: it cannot be read, or understood.
    """
    if known := providers().get(str(path)):
        return known
    try:
        content = _read(Path(path).read_text(encoding="utf-8"))
        return _provider(Path(path).stem, content)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(
            f"The profile {path} cannot be read: {error}",
            expected="a YAML file with `collections`",
            remedy="see `cubestore build --help`",
        ) from None


def _read(text: str) -> Mapping[str, Any]:
    content = yaml.safe_load(text)
    told = content.get("collections") if isinstance(content, dict) else None
    _refuse_unless(told and isinstance(told, dict), "no `collections`")
    return dict(content)


def _provider(name: str, content: Mapping[str, Any]) -> Provider:
    known = {f.name for f in fields(Provider)} - {"id"}
    _refuse_others(content, known, name)
    buckets = content.get("buckets") or {}
    _refuse_unless(isinstance(buckets, dict), f"{name}: the buckets {buckets!r}")
    return Provider(
        id=name,
        title=content.get("title", ""),
        url=content.get("url", ""),
        sign=content.get("sign", ""),
        hosts=tuple(content.get("hosts") or ()),
        alternate=content.get("alternate", ""),
        collections={k: _collection(k, c) for k, c in content["collections"].items()},
        s3=_bucket(name, content.get("s3") or {}),
        buckets={bucket: _bucket(bucket, options) for bucket, options in buckets.items()},
    )


def _bucket(name: str, options: Any) -> Bucket:  # noqa: ANN401 - what YAML holds
    _refuse_unless(isinstance(options, dict), f"{name}: {options!r} tells no bucket")
    _refuse_others(options, {field.name for field in fields(Bucket)}, name)
    return Bucket(**options)


def _collection(name: str, content: Mapping[str, Any]) -> Collection:
    _refuse_unless(
        isinstance(content, dict) and isinstance(content.get("sensor"), str),
        f"{name} names no sensor",
    )
    try:
        known = sensor(content["sensor"])
    except UnknownSensorError as error:
        raise ProfileError(
            f"{name}: {error.found}", expected=error.expected, remedy=error.remedy
        ) from None
    layers = {layer.name for layer in known.every_layer}
    _refuse_others(content, {"sensor", "bands", "dn_offset", *layers}, name)
    bands = content.get("bands") or {}
    _refuse_unless(isinstance(bands, dict), f"{name}: the bands {bands!r}")
    _refuse_others(bands, _band_names(known), f"{name}, bands")
    return Collection(
        sensor=known.id,
        bands={band: _source(told) for band, told in bands.items()},
        layers={layer: _source(content[layer]) for layer in sorted(layers & content.keys())},
        dn_offset=_dn_offset(name, content.get("dn_offset", FROM_ITEM)),
    )


def _band_names(known: Sensor) -> set[str]:
    return {band.name for band in known.every_band}


def _source(told: Any) -> Source:  # noqa: ANN401 - what YAML holds
    if isinstance(told, str | list):
        return Source(tuple([told] if isinstance(told, str) else map(str, told)))
    _refuse_unless(isinstance(told, dict) and "asset" in told, f"{told!r} names no asset")
    _refuse_others(told, {"asset", "index"}, "a band")
    index = told.get("index", 1)
    _refuse_unless(isinstance(index, int) and index > 0, f"the index {index!r}, counted from 1,")
    return Source(_source(told["asset"]).assets, index)


def _dn_offset(name: str, told: object) -> int | None:
    whole = isinstance(told, int) and not isinstance(told, bool)
    _refuse_unless(told == FROM_ITEM or whole, f"{name} has the dn_offset {told!r}")
    return told if isinstance(told, int) else None


def _refuse_others(content: Mapping[str, Any], known: set[str], place: str) -> None:
    others = ", ".join(str(key) for key in content if key not in known)
    _refuse_unless(not others, f"{place}: {others}", expected=f"some of {', '.join(sorted(known))}")


def _refuse_unless(fine: object, found: str, *, expected: str = "") -> None:
    if not fine:
        raise ProfileError(
            f"The profile cannot be understood: {found}",
            expected=expected or "collections: NAME: {sensor: ID, bands: {B02: {asset: data}}}",
            remedy="compare it with the profiles of the built-in providers",
        )

"""What a patch set holds, before its first patch: pixels of sensors, labels, and how they are cut.

Patches are squares that lie anywhere. All variables of a set cover the same squares, whole, each
on a grid of its own size: the first sensor's is ``(y, x)``, one of 32 pixels ``(y_32, x_32)``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cubestore import layout
from cubestore.embeddings.definition import Embedding
from cubestore.encoding import STRING, Array, Json
from cubestore.errors import MismatchError
from cubestore.records import dump, software
from cubestore.sensors import Band, Layer, sensor

PATCHES = "patches"
"""The folder of the store that they lie in."""

CHUNK = 512
"""Pixels along a chunk, at most. Whole patches of 264 and 512 pixels read 1.6 times as fast as in
chunks of 128, and a crop of 256 no slower; larger patches are cut into equal parts."""

CHUNK_BYTES = 2**20
"""Acquisitions share a chunk up to this: a series of small patches is read whole."""

SHARD_BYTES = 2**26
"""Of the patches in a file, before compression: 9 of 512 pixels and 13 bands."""

MASK_BYTES = 2**24
"""The same for masks and labels: there are many, and each holds its shard in memory."""

SHARD_CHUNKS = 1024
"""Chunks in a file, at most: its index is read with every patch."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """One sensor's pixels in every patch, with masks of the same acquisitions."""

    layer: Layer
    """The variable: its name, dtype, nodata, scale. `Pixels.of` takes a sensor's own."""

    bands: tuple[Band, ...]
    size: int
    """Pixels along a patch's side."""

    seasons: int | tuple[str, ...] = 0
    """How many acquisitions a patch has, or their names; 0: one, and no such dim."""

    suffix: str = ""
    """Ends the names of its dims and coordinates (``band_s1``, ``time_s1``); "" for the first."""

    layers: tuple[Layer, ...] = ()
    """Masks on ``(patch, [season,] y, x)``."""

    sensor: str = ""
    """The sensor's id, in the attributes."""

    @classmethod
    def of(
        cls,
        sensor_id: str,
        *,
        size: int,
        bands: tuple[str, ...] | None = None,
        seasons: int | tuple[str, ...] = 0,
        suffix: str = "",
        layers: tuple[str, ...] = (),
        **changes: Any,  # noqa: ANN401 - fields of Layer
    ) -> "Pixels":
        """Return the pixels of a sensor that the store knows, as its cubes have them.

        Args:
            sensor_id: ``sentinel-2-l2a``.
            size: pixels along a patch's side.
            bands: names, in the set's order; None: the standard ones.
            seasons: how many acquisitions a patch has, or their names.
            suffix: ends the names of dims and coordinates, and of the variable and the masks.
            layers: names of the sensor's masks that the set holds too.
            changes: what of the pixel layer is another (``dtype``, ``nodata``, ``scale_factor`` …).

        Raises:
            UnknownSensorError: no such sensor.
            MismatchError: bands or layers that it does not have.
        """
        known = sensor(sensor_id)
        ending = f"_{suffix}" if suffix else ""
        usual = layout.layers_of(known)
        others = [name for name in layers if name not in {layer.name for layer in usual}]
        chosen = layout.layers_of(known, others)
        return cls(
            layer=replace(known.pixels, **{"name": known.pixels.name + ending, **changes}),
            bands=layout.bands_of(known, bands),
            size=size,
            seasons=seasons,
            suffix=suffix,
            layers=tuple(replace(o, name=o.name + ending) for o in chosen if o.name in layers),
            sensor=sensor_id,
        )

    @property
    def acquisitions(self) -> int:
        """How many a patch has."""
        return self.seasons if isinstance(self.seasons, int) else len(self.seasons)

    def named(self, name: str) -> str:
        """Return a dim's or a coordinate's name with the suffix."""
        return f"{name}_{self.suffix}" if self.suffix else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """A model's vector of every patch, beside its pixels or without them."""

    embedding: Embedding
    sensor: str
    """Whose pixels it was made of: a sensor's id, or several."""

    gsd: float
    """Metres of a pixel; the embedding tells how many lie along a patch's side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchDescription:
    """A patch set before its first patch."""

    name: str
    """``DATASET/PART``: ``cloudsen12/high-train``."""

    title: str
    pixels: tuple[Pixels, ...] = ()
    """The sensors; the first one's grid is that of the labels. None: a set of vectors alone."""

    labels: tuple[Layer, ...] = ()
    """On ``(patch, y, x)``, with their flags."""

    embeddings: tuple[Embedded, ...] = ()
    """Vectors on ``(patch, feature_MODEL)``."""

    attribution: str
    license: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the group is to say, as JSON."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise MismatchError(
                f"Patch set {self.name!r}: {problem}",
                expected="a name DATASET/PART, sensors whose variables and suffixes differ, bands, "
                "at least a pixel or a model's vectors, and attributes that are JSON",
                remedy="see cubestore.patches.PatchDescription",
            )

    def _problem(self) -> str:
        if not _NAME.fullmatch(self.name):
            return "its name"
        if not (self.pixels or self.embeddings) or (self.labels and not self.pixels):
            return "neither sensor nor vectors, or labels of no pixels"
        if any(not one.bands or one.size < 1 for one in self.pixels):
            return "a sensor without bands or pixels"
        names = [layer.name for layer in self.variables]
        names += [name for one in self.embeddings for name in one.embedding.variables]
        suffixes = [one.suffix for one in self.pixels]
        taken = [n for some in (names, suffixes) for n in some if some.count(n) > 1]
        if taken or any(suffixes[:1]):
            return f"{taken[0] if taken else suffixes[0]!r} twice, or a suffix for the first sensor"
        odd = [n for n in (*names, *filter(None, suffixes)) if not _WORD.fullmatch(n)]
        return f"called {odd[0]!r}" if odd else self._odd_values()

    def _odd_values(self) -> str:
        for one in self.pixels:
            bands = [band.name for band in one.bands]
            if len({*bands}) < len(bands) or one.acquisitions < 0:
                return f"bands {bands} of {one.acquisitions} seasons"
        try:
            dump(dict(self.attributes))
        except (TypeError, ValueError) as error:
            return f"attributes: {error}"
        return ""

    @property
    def size(self) -> int:
        """Pixels along the side of the grid ``(y, x)``."""
        return self.pixels[0].size

    @property
    def variables(self) -> Iterator[Layer]:
        """Every variable of pixels: the pixels of each sensor with its masks, then the labels."""
        for one in self.pixels:
            yield one.layer
            yield from one.layers
        yield from self.labels

    def arrays(self) -> dict[str, Array]:
        """Return the variables, of no patches yet."""
        made = []
        for one in self.pixels:
            told: Json = {"sensor": one.sensor} if one.sensor else {}
            made.append(self._array(one.layer, one, bands=len(one.bands), **told))
            made += [self._array(layer, one) for layer in one.layers]
        made += [self._array(layer, replace(self.pixels[0], seasons=0)) for layer in self.labels]
        for told_of in self.embeddings:
            made += told_of.embedding.of_patches(told_of.sensor, told_of.gsd)
        return {array.name: array for array in made}

    def _array(self, layer: Layer, one: Pixels, *, bands: int = 0, **told: str) -> Array:
        seasons = one.acquisitions
        lead = {one.named("season"): seasons} if seasons else {}
        lead |= {one.named("band"): bands} if bands else {}
        chunks, shards = cut(layer.dtype.itemsize, seasons, bands, one.size)
        square = ("y", "x") if one.size == self.size else (f"y_{one.size}", f"x_{one.size}")
        return Array(
            name=layer.name,
            dims=("patch", *lead, *square),
            shape=(0, *lead.values(), one.size, one.size),
            dtype=layer.dtype.name,
            fill=float(layer.nodata) if layer.dtype.kind == "f" else int(layer.nodata),
            chunks=chunks,
            shards=shards,
            attributes={**_attributes(layer), **told},
        )

    def coordinates(self) -> dict[str, tuple[Array, np.ndarray[Any, Any]]]:
        """Return what lies on bands, seasons and features: name -> the array and its values."""
        made = {}
        for one in self.pixels:
            for name, values in layout._band_values(one.bands).items():  # noqa: SLF001
                made[one.named(name)] = _along(one.named(name), one.named("band"), values)
            if isinstance(one.seasons, tuple) and one.seasons:
                name = one.named("season")
                made[name] = _along(name, name, np.array(one.seasons, object))
        for vectors in self.embeddings:
            name, numbers = vectors.embedding.features()
            made[name] = _along(name, name, numbers)
        return made

    def group_attributes(self) -> Json:
        """Return the attributes of the group."""
        return {
            "Conventions": "CF-1.11",
            **self.attributes,
            "title": self.title,
            "source": software(),
            "attribution": self.attribution,
            "license": self.license,
            "cubestore:format": layout.FORMAT,
            "cubestore:patches": self.name,
        }


def cut(item: int, seasons: int, bands: int, size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a chunk and of a shard, of patches with ``item`` bytes a number."""
    side, parts = _evenly(size, CHUNK)
    plane = max(bands, 1) * side * side * item
    at_once, times = _evenly(seasons, CHUNK_BYTES // plane)
    chunks = parts**2 * times
    room = SHARD_BYTES if bands else MASK_BYTES
    patches = max(1, min(room // (plane * at_once * chunks), SHARD_CHUNKS // chunks))
    band = (bands,) if bands else ()
    chunk = (1, *((at_once,) if seasons else ()), *band, side, side)
    shard = (patches, *((at_once * times,) if seasons else ()), *band, side * parts, side * parts)
    return chunk, shard


def _evenly(count: int, most: int) -> tuple[int, int]:
    """Return how ``count`` things go into equal groups of at most ``most``: size and groups."""
    groups = -(-count // max(1, most)) or 1
    return max(1, -(-count // groups)), groups


def _attributes(layer: Layer) -> Json:
    attributes = layout._layer_attributes(layer)  # noqa: SLF001 - as the cubes have them
    attributes.pop("grid_mapping", None)  # every patch has a CRS of its own, in the coordinate crs
    return attributes


_ABOUT: dict[str, Json] = {
    "center_wavelength": {"units": "um", "long_name": "centre of the passband"},
    "full_width_half_max": {"units": "um", "long_name": "width of the passband"},
    "gsd": {"units": "m", "long_name": "ground sample distance of the product's own pixels"},
}


def _along(name: str, dim: str, values: np.ndarray[Any, Any]) -> tuple[Array, np.ndarray[Any, Any]]:
    text = values.dtype.kind == "O"
    about = next((told for known, told in _ABOUT.items() if name.startswith(known)), {})
    array = Array(
        name=name,
        dims=(dim,),
        shape=values.shape,
        dtype=STRING if text else values.dtype.name,
        fill="" if text else layout.unknown(values.dtype),
        chunks=values.shape,
        attributes=about,
    )
    return array, values

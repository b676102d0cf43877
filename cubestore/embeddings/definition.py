"""What an embedding is to a cube: whose vectors, of which chips, and how they are stored."""

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from cubestore.chips import CHIP_SIZE
from cubestore.encoding import Array, Json
from cubestore.errors import MismatchError

Vectors = npt.NDArray[np.float32]

MISSING = -128
"""What stands for NaN among the integers: the one of 256 that has no opposite."""

LARGEST = 127
"""The largest integer that a number is stored as; what is beyond it saturates."""

CHUNK = 256
"""Chips along a chunk's side, at most."""

PATCH_BYTES = 2**20
"""Of a chunk of a patch set's vectors, at most: 341 of 768 floats."""

CHUNK_BYTES = 2**24
"""Of a chunk, at most: a scene's 43 x 43 chips of 1024 floats are one file."""

_DENSE = "_dense"
_ON_GRID: Json = {"grid_mapping": "spatial_ref"}
"""In a cube; every patch of a set has a CRS of its own."""
_SHA256 = re.compile("([0-9a-f]{64})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """One set of vectors: what two of the same name must have in common, and how it is kept."""

    model: str
    """The model's id: ``clay-v1.5``."""

    creator: str = ""
    """Who made the model."""

    architecture: str = ""
    """What kind of network it is, by its name in the literature: ``ResNet``; "" for unknown."""

    weights_sha256: str = ""
    """Of the file of weights, hexadecimal; "" where nobody knows."""

    preprocessing: str
    """What was done to the pixels first, so that it can be done again."""

    pooling: str
    """How a chip's vector comes of the model's: ``cls``, ``mean`` …"""

    dimensions: int
    chip_size: int = CHIP_SIZE

    patch_size: int | None = None
    """Pixels along the patches that have vectors of their own; None: they are not kept."""

    dtype: Literal["float32", "int8"] = "float32"

    scale: float | None = None
    """What an integer is multiplied with; None for floats. See :func:`scale_for`."""

    loss_metric: str = ""
    """Name of the loss that is kept for every chip; "" for none."""

    url: str = ""
    """Of the model; "" for its id."""

    source_data: str = ""
    """Address of the pixels' source; "" for the sensor's id."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise MismatchError(
                f"Embedding {self.model!r}: {problem}",
                expected="a model's id and preprocessing as text, a SHA-256 or nothing, sizes of "
                "at least one, patches that divide a chip, float32 without or int8 with a scale",
                remedy="see cubestore.embeddings.Embedding",
            )

    def _problem(self) -> str:
        texts = [n for n, kind in Embedding.__annotations__.items() if kind is str]
        other = [n for n in texts if not isinstance(getattr(self, n), str)]
        if other:
            return f"{other[0]} is {getattr(self, other[0])!r}"
        if not (re.search("[A-Za-z0-9]", self.model) and self.preprocessing and self.pooling):
            return "model, preprocessing or pooling says nothing"
        if not _SHA256.fullmatch(self.weights_sha256):
            return f"weights_sha256 is {self.weights_sha256!r}"
        return self._odd_sizes() or self._odd_scale()

    def _odd_sizes(self) -> str:
        patch = self.chip_size if self.patch_size is None else self.patch_size
        sizes = (self.dimensions, self.chip_size, patch)
        if not all(isinstance(n, int) and n >= 1 for n in sizes) or self.chip_size % patch:
            return f"dimensions, chip_size and patch_size are {sizes}"
        return "patches as large as a chip" if self.patch_size == self.chip_size else ""

    def _odd_scale(self) -> str:
        if self.dtype == "float32" and self.scale is None:
            return ""
        if self.dtype == "int8" and self.scale is not None and 0 < np.float32(self.scale) < np.inf:
            return ""
        return f"dtype {self.dtype} with scale {self.scale}"

    @property
    def variable(self) -> str:
        """The name of its variable."""
        return variable_name(self.model)

    @property
    def dense(self) -> str:
        """The name of the variable of the patches, whether they are kept or not."""
        return self.variable + _DENSE

    @property
    def loss(self) -> str:
        """The name of the variable of the loss, whether it is kept or not."""
        return "loss_" + _slug(self.model)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of those that it has, the chips' own last."""
        loss = (self.loss,) if self.loss_metric else ()
        dense = (self.dense,) if self.patch_size else ()
        return (*loss, *dense, self.variable)

    @property
    def patches(self) -> int:
        """Patches along a chip's side; 0 where they are not kept."""
        return self.chip_size // self.patch_size if self.patch_size else 0

    @property
    def identity(self) -> Json:
        """What changes the numbers, as it stands in the attributes of each variable."""
        return {
            "source_model": self.model,
            "weights_sha256": self.weights_sha256,
            "preprocessing": self.preprocessing,
            "preprocessing_sha256": hashlib.sha256(self.preprocessing.encode()).hexdigest(),
            "pooling": self.pooling,
            "chip_size": self.chip_size,
        }

    def arrays(self, grid: GeoBox, sensor: str) -> tuple[Array, ...]:
        """Return its variables in a cube on ``grid``, the chips' own last."""
        chips = self._vectors(self.variable, self.chip_size, 1, grid, sensor)
        made = [self._loss(chips)] if self.loss_metric else []
        if self.patch_size:
            made.append(self._vectors(self.dense, self.patch_size, self.patches, grid, sensor))
        return (*made, chips)

    def axes(self, grid: GeoBox) -> dict[str, np.ndarray[Any, Any]]:
        """Return the coordinates of its dims: centres of chips and patches, and the features."""
        made = dict([self.features()])
        for size in filter(None, (self.chip_size, self.patch_size)):
            made |= centres(grid, size)
        return made

    def of_patches(
        self, sensor: str, gsd: float, seasons: Mapping[str, int] | None = None
    ) -> tuple[Array, ...]:
        """Return its variables in a patch set of no patches yet, those of whole patches last.

        Args:
            sensor: whose pixels they were made of.
            gsd: metres of a pixel.
            seasons: the dim of a patch's acquisitions, and how many there are; None: one.
        """
        dims = {"patch": 0, **(seasons or {})}
        vectors = self._of_patches(self.variable, self.chip_size, dims, (sensor, gsd))
        made = [self._loss(vectors)] if self.loss_metric else []
        if self.patch_size:
            parts = dict.fromkeys(_dims(self.patch_size), self.patches)
            made.append(
                self._of_patches(self.dense, self.patch_size, {**dims, **parts}, (sensor, gsd))
            )
        return (*made, vectors)

    def _of_patches(
        self, name: str, size: int, dims: Mapping[str, int], source: tuple[str, float]
    ) -> Array:
        sensor, gsd = source
        shape = (*dims.values(), self.dimensions)
        item = math.prod(shape[1:]) * np.dtype(self.dtype).itemsize
        layout = {"layout_type": "irregular", "chip_size": [size, size]}
        return Array(
            name=name,
            dims=(*dims, _feature(self.model)),
            shape=shape,
            dtype=self.dtype,
            fill=self._fill,
            chunks=(max(1, PATCH_BYTES // item) if size == self.chip_size else 1, *shape[1:]),
            attributes=self._attributes(size, gsd, sensor, layout),
        )

    def features(self) -> tuple[str, np.ndarray[Any, Any]]:
        """Return the dim of the vectors' numbers, and its coordinate."""
        return _feature(self.model), np.arange(self.dimensions, dtype="int32")

    @property
    def _fill(self) -> float:
        return MISSING if self.dtype == "int8" else math.nan

    def _vectors(self, name: str, size: int, together: int, grid: GeoBox, sensor: str) -> Array:
        rows, columns = _counts(grid, size)
        item = self.dimensions * np.dtype(self.dtype).itemsize
        edge = _edge(item, together)
        layout = {"layout_type": "regular_grid", "chip_size": [size, size], "stride": [size, size]}
        told = self._attributes(size, abs(grid.affine.a), sensor, layout)
        return Array(
            name=name,
            dims=("time", *_dims(size), _feature(self.model)),
            shape=(0, rows, columns, self.dimensions),
            dtype=self.dtype,
            fill=self._fill,
            chunks=(1, min(edge, rows), min(edge, columns), self.dimensions),
            attributes={**told, **_ON_GRID},
        )

    def _attributes(self, size: int, gsd: float, sensor: str, layout: Json) -> Json:
        return {
            "long_name": f"{self.model}, of squares of {size} pixels",
            **self.identity,
            "source_creator": self.creator,
            **({"source_architecture": self.architecture} if self.architecture else {}),
            **self._packing(),
            **self._geoemb(gsd, sensor, layout),
        }

    def _loss(self, chips: Array) -> Array:
        return Array(
            name=self.loss,
            dims=chips.dims[:-1],
            shape=chips.shape[:-1],
            dtype="float32",
            fill=math.nan,
            chunks=chips.chunks[:-1],
            attributes={
                "long_name": f"loss of {self.model}",
                "loss_metric": self.loss_metric,
                **self.identity,
                **(_ON_GRID if "time" in chips.dims else {}),
            },
        )

    def _packing(self) -> Json:
        if self.dtype == "float32":
            return {}
        return {"scale_factor": self.scale, "_FillValue": MISSING}

    def _geoemb(self, gsd: float, sensor: str, layout: Json) -> Json:
        """The fields of the geoembeddings convention, v1; it is for groups, so they are plain."""
        linear = {"method": "linear", "original_dtype": "float32", "quantized_dtype": self.dtype}
        packed = {"geoemb:quantization": {**linear, "scale": self.scale, "offset": 0}}
        return {
            "geoemb:type": "chip",
            "geoemb:dimensions": self.dimensions,
            "geoemb:model": self.url or self.model,
            "geoemb:source_data": self.source_data or sensor,
            "geoemb:data_type": self.dtype,
            "geoemb:gsd": gsd,
            "geoemb:chip_layout": layout,
            **(packed if self.scale is not None else {}),
        }

    def saturated(self, values: Vectors) -> int:
        """Return how many vectors have a number that the scale is too small for; 0 of floats."""
        if self.scale is None:
            return 0
        most = (LARGEST + 0.5) * np.float32(self.scale)  # up to there it is off by half a step
        return int(np.count_nonzero((np.abs(values) > most).any(axis=-1)))

    def stored(self, values: Vectors) -> np.ndarray[Any, Any]:
        """Return vectors as they are stored; integers are rounded, and saturate at the largest.

        Raises:
            MismatchError: not float32, or a vector that is neither finite nor all NaN.
        """
        absent: npt.NDArray[np.bool_] = np.asarray(np.isnan(values).all(axis=-1))
        if values.dtype != np.float32 or not np.isfinite(values[~absent]).all():
            raise MismatchError(
                f"{self.model}: vectors of {values.dtype}, some neither finite nor all NaN",
                expected="float32; finite where computed, NaN all along where not",
                remedy="convert them, and look for what the model overflows on",
            )
        if self.dtype == "float32":
            return values
        return steps_for(values, self.scale or 1)


def variable_name(model: str) -> str:
    """Return the variable that holds a model's embeddings: ``embedding_clay_v1_5``."""
    return "embedding_" + _slug(model)


def steps_for(values: Vectors, scale: float) -> np.ndarray[Any, np.dtype[np.int8]]:
    """Return numbers in steps of a scale, to the nearest; NaN is `MISSING`."""
    steps = np.rint(values / np.float32(scale)).clip(-LARGEST, LARGEST)
    return np.where(np.isnan(values), np.float32(MISSING), steps).astype(np.int8)


def scale_for(*values: Vectors) -> float:
    """Return the scale with which none of these numbers saturates, and the rest err least."""
    largest = max((float(np.nanmax(np.abs(some), initial=0)) for some in values), default=0.0)
    return max(largest / LARGEST, float(np.finfo(np.float32).tiny)) if largest else 1.0


def described(variable: Array, others: Mapping[str, Array]) -> Embedding | None:
    """Return the embedding whose variable this is; None: it is none."""
    told = variable.attributes
    model = str(told.get("source_model", ""))
    if "geoemb:chip_layout" not in told or variable.name != variable_name(model):
        return None
    made = Embedding(
        model=model,
        creator=told["source_creator"],
        architecture=told.get("source_architecture", ""),
        weights_sha256=told["weights_sha256"],
        preprocessing=told["preprocessing"],
        pooling=told["pooling"],
        dimensions=variable.shape[-1],
        chip_size=told["chip_size"],
        dtype="int8" if variable.dtype == "int8" else "float32",
        scale=told.get("scale_factor"),
        url=told["geoemb:model"],
        source_data=told["geoemb:source_data"],
    )
    dense, loss = others.get(made.dense), others.get(made.loss)
    if dense is not None:
        made = replace(made, patch_size=dense.attributes["geoemb:chip_layout"]["chip_size"][0])
    return made if loss is None else replace(made, loss_metric=loss.attributes["loss_metric"])


def centres(grid: GeoBox, size: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the centres of squares of ``size`` pixels, whole ones even where they reach past."""
    rows, columns = ((np.arange(n) + 0.5) * size for n in _counts(grid, size))
    y, x = _dims(size)
    return {
        y: grid.affine.f + grid.affine.e * rows,
        x: grid.affine.c + grid.affine.a * columns,
    }


def _counts(grid: GeoBox, size: int) -> tuple[int, int]:
    rows, columns = (-(-n // size) for n in grid.shape)
    return rows, columns


def _dims(size: int) -> tuple[str, str]:
    return f"y_{size}", f"x_{size}"


def _feature(model: str) -> str:
    return f"feature_{_slug(model)}"


def _slug(model: str) -> str:
    return re.sub("[^A-Za-z0-9]", "_", model)


def _edge(item: int, together: int) -> int:
    """Return how many vectors of ``item`` bytes lie along a chunk's side.

    The patches of a chip stay ``together``, so that a task which made some chips fills chunks.
    """
    edge = min(CHUNK, 1 << max(1, math.isqrt(CHUNK_BYTES // item)).bit_length() - 1)
    if together <= edge:
        return edge // together * together
    return max(n for n in range(1, edge + 1) if together % n == 0)

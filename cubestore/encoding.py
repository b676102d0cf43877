"""One Zarr v3 array: its metadata document, and its blocks as bytes.

Bytes are made here rather than by zarr-python because that is several times faster, is the
same on every version, and lets a task write a shard without opening the cube. zarr-python,
tensorstore and zarrs read them back equal: see ``tests/cubestore/test_encoding.py``.

A BLOCK is what one key holds: a shard of a sharded array, a chunk of any other. Behind every
chunk stands its CRC-32C, so that no flipped bit is ever decoded into a pixel.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from math import isinf
from typing import Any

import crc32c as castagnoli
import numpy as np
from numcodecs import Blosc, VLenUTF8
from numcodecs.bitround import BitRound

from cubestore.errors import DamagedError, MismatchError

Json = dict[str, Any]
STRING = "string"
CRC_BYTES = 4
EMPTY = np.uint64(2**64 - 1)
"""Offset and size of a chunk that a shard leaves out (Zarr's ``sharding_indexed`` codec)."""


def _integers(dtype: str) -> Callable[[Any], bool]:
    limits = np.iinfo(dtype)
    return lambda fill: isinstance(fill, int) and limits.min <= fill <= limits.max


FILLS: Mapping[str, Callable[[Any], bool]] = {
    STRING: lambda fill: isinstance(fill, str),
    **{f"{u}int{n}": _integers(f"{u}int{n}") for u in ("", "u") for n in (8, 16, 32, 64)},
    **{f"float{n}": lambda fill: isinstance(fill, float) and not isinf(fill) for n in (32, 64)},
}
"""The dtypes that a cube may have, each with what its fill must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """The metadata of one array, and the codec that follows from it."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    """Zarr's ``data_type``: a NumPy name, or ``string``."""

    fill: float | str
    """What is read where nothing was stored."""

    chunks: tuple[int, ...]
    """Shape of what is compressed as one."""

    shards: tuple[int, ...] | None = None
    """Shape of what one file holds; None: a file a chunk."""

    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise MismatchError(
                f"Array {self.name}: {problem}",
                expected="one chunk size for each dim, a dtype of Zarr's, and a fill of that dtype",
                remedy="see cubestore.Array; a cube with such metadata could not be opened",
            )

    def _problem(self) -> str:
        sizes = [self.shape, self.chunks, self.block]
        if any(len(size) != len(self.dims) for size in sizes) or len({*self.dims}) < len(self.dims):
            return f"dims {self.dims} of shape {self.shape} in blocks of {self.block}"
        if any(c < 1 or b % c for b, c in zip(self.block, self.chunks, strict=True)):
            return f"chunks of {self.chunks} in blocks of {self.block}"
        if self.dtype not in FILLS:
            return f"dtype {self.dtype}"
        return "" if FILLS[self.dtype](self.fill) else f"fill {self.fill!r} of {self.dtype}"

    @property
    def block(self) -> tuple[int, ...]:
        """Shape of what one key holds."""
        return self.shards or self.chunks

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype in memory; strings are objects."""
        return np.dtype(object if self.dtype == STRING else self.dtype)

    @property
    def is_coordinate(self) -> bool:
        """Whether it is read whole when a cube is opened; its chunks are always stored."""
        return len(self.dims) <= 1

    def sized(self, dim: str, size: int) -> "Array":
        """Return this array with ``dim`` of another size."""
        shape = tuple(size if d == dim else n for d, n in zip(self.dims, self.shape, strict=True))
        return replace(self, shape=shape)

    def key(self, index: tuple[int, ...]) -> str:
        """Return the key of the block at ``index``, counted in blocks."""
        return "/".join([self.name, "c", *map(str, index)])

    def blocks(self) -> tuple[int, ...]:
        """Return how many blocks lie along each dim."""
        return tuple(-(-n // b) for n, b in zip(self.shape, self.block, strict=True))

    def block_shape(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the part of the array that the block at ``index`` covers."""
        return tuple(
            min(b, n - i * b) for i, b, n in zip(index, self.block, self.shape, strict=True)
        )

    def document(self) -> Json:
        """Return the array's ``zarr.json``."""
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": self.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(self.block)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": _fill_to_json(self.fill),
            "codecs": self._sharding_codecs() if self.shards else self._chunk_codecs(),
            "attributes": dict(self.attributes),
            "dimension_names": list(self.dims),
            "storage_transformers": [],
        }

    @classmethod
    def from_document(cls, name: str, document: Mapping[str, Any]) -> "Array":
        """Return the array that a ``zarr.json`` of ours describes."""
        outer = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
        codec = document["codecs"][0]
        sharded = codec["name"] == "sharding_indexed"
        return cls(
            name=name,
            dims=tuple(document["dimension_names"]),
            shape=tuple(document["shape"]),
            dtype=document["data_type"],
            fill=_fill_from_json(document["fill_value"], document["data_type"]),
            chunks=tuple(codec["configuration"]["chunk_shape"]) if sharded else outer,
            shards=outer if sharded else None,
            attributes=document["attributes"],
        )

    def encode(self, values: np.ndarray[Any, Any]) -> bytes | None:
        """Return a block as bytes, or None where all of it is nodata and nothing is stored.

        Of coordinates every chunk is stored, so that one that is lost cannot read as a value.

        Args:
            values: one block; at the array's far edges it may be cut off there.

        Raises:
            MismatchError: another dtype, or larger than a block.
        """
        self._check(values)
        if self.shards:
            return self._encode_shard(values)
        if self.is_coordinate or not self._is_empty(values):
            return self._encode_chunk(values)
        return None

    def decode_chunk(self, data: bytes, key: str) -> np.ndarray[Any, Any]:
        """Return the chunk that :meth:`encode` made of an array without shards.

        Raises:
            DamagedError: the bytes are not those that were encoded.
        """
        payload, crc = data[:-CRC_BYTES], data[-CRC_BYTES:]
        if crc32c(payload).to_bytes(CRC_BYTES, "little") != crc:
            raise DamagedError(
                f"{key} does not match its checksum",
                expected="the bytes that were committed",
                remedy="run `cubestore verify`, and restore the key from a copy",
            )
        raw = Blosc().decode(payload)
        if self.dtype == STRING:
            return np.asarray(VLenUTF8().decode(raw), dtype=object).reshape(self.chunks)
        return np.frombuffer(raw, _little(self.numpy_dtype)).reshape(self.chunks)

    def assemble(self, fetch: Callable[[str], bytes]) -> np.ndarray[Any, Any]:
        """Return an array without shards, whole; strings as NumPy's ``StringDType``.

        Args:
            fetch: gives what lies at a key.

        Raises:
            DamagedError: the bytes are not those that were encoded.
        """
        dtype = np.dtypes.StringDType() if self.dtype == STRING else self.numpy_dtype
        values = np.empty(self.shape, dtype)
        for index in np.ndindex(self.blocks()):
            starts = zip(index, self.chunks, strict=True)
            window: Any = (*(slice(i * c, i * c + c) for i, c in starts), ...)
            part = values[window]
            chunk = self.decode_chunk(fetch(self.key(index)), self.key(index))
            part[...] = chunk[tuple(map(slice, part.shape))]
        return values

    def _check(self, values: np.ndarray[Any, Any]) -> None:
        if values.dtype != self.numpy_dtype:
            raise MismatchError(
                f"{self.name}: the pixels are {values.dtype}",
                expected=f"{self.numpy_dtype}, as the cube stores them",
                remedy="harmonise them first; the store converts nothing in silence",
            )
        if values.ndim != len(self.block) or any(
            n > b for n, b in zip(values.shape, self.block, strict=False)
        ):
            raise MismatchError(
                f"{self.name}: a block of shape {values.shape}",
                expected=f"at most {self.block} on {self.dims}",
                remedy="cut the array along the shards",
            )

    def _is_empty(self, values: np.ndarray[Any, Any]) -> bool:
        if not values.size:
            return True
        if isinstance(self.fill, float) and np.isnan(self.fill):
            return bool(np.isnan(values.flat[0]) and np.isnan(values).all())
        return bool(values.flat[0] == self.fill and (values == self.fill).all())

    def _encode_shard(self, values: np.ndarray[Any, Any]) -> bytes | None:
        grid = tuple(b // c for b, c in zip(self.block, self.chunks, strict=True))
        index = np.full((*grid, 2), EMPTY, "<u8")
        shard = BytesIO()  # joining a list of chunks would write all of it twice
        for position, chunk in self._chunks_of(values):
            index[position] = shard.tell(), shard.write(self._encode_chunk(chunk))
        if not shard.tell():
            return None
        table = index.tobytes()
        shard.write(table + crc32c(table).to_bytes(CRC_BYTES, "little"))
        return shard.getvalue()

    def _chunks_of(
        self, values: np.ndarray[Any, Any]
    ) -> Iterator[tuple[tuple[int, ...], np.ndarray[Any, Any]]]:
        """Yield the chunks that hold data, each with its place in the shard."""
        counts = (-(-n // c) for n, c in zip(values.shape, self.chunks, strict=True))
        for position in np.ndindex(*counts):
            chunk = values[
                tuple(slice(p * c, p * c + c) for p, c in zip(position, self.chunks, strict=True))
            ]
            if not self._is_empty(chunk):
                yield position, chunk

    def _encode_chunk(self, values: np.ndarray[Any, Any]) -> bytes:
        if values.shape != self.chunks:
            whole = np.full(self.chunks, self.fill, self.numpy_dtype)
            whole[tuple(map(slice, values.shape))] = values
            values = whole
        payload: bytes = _compressor(self.dtype).encode(self._raw(values))
        return payload + crc32c(payload).to_bytes(CRC_BYTES, "little")

    def _raw(self, values: np.ndarray[Any, Any]) -> bytes | np.ndarray[Any, Any]:
        if self.dtype == STRING:
            raw: bytes = VLenUTF8().encode(values.reshape(-1))
            return raw
        bits = self.attributes.get(MANTISSA_BITS)
        if bits is not None:
            one_nan = np.where(np.isnan(values), self.numpy_dtype.type(np.nan), values)
            values = BitRound(bits).encode(one_nan).view(self.numpy_dtype)
        return np.ascontiguousarray(values, _little(self.numpy_dtype))

    def _chunk_codecs(self) -> list[Json]:
        size = self.numpy_dtype.itemsize if self.dtype != STRING else 1
        serializer: Json = {"name": "bytes"}
        if self.dtype == STRING:
            serializer = {"name": "vlen-utf8", "configuration": {}}
        elif size > 1:
            serializer["configuration"] = {"endian": "little"}
        blosc = {
            "typesize": size,
            "cname": "lz4",
            "clevel": 5,
            "shuffle": "noshuffle" if self.dtype == STRING else "bitshuffle",
            "blocksize": 0,
        }
        return [serializer, {"name": "blosc", "configuration": blosc}, {"name": "crc32c"}]

    def _sharding_codecs(self) -> list[Json]:
        configuration = {
            "chunk_shape": list(self.chunks),
            "codecs": self._chunk_codecs(),
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        }
        return [{"name": "sharding_indexed", "configuration": configuration}]


MANTISSA_BITS = "_QuantizeBitRoundNumberOfSignificantBits"
"""The attribute, netCDF's, that tells how many bits of a float's mantissa were kept."""


def crc32c(data: bytes | memoryview, before: int = 0) -> int:
    """Return the CRC-32C (Castagnoli) of ``data``, behind bytes whose own is ``before``."""
    value: int = castagnoli.crc32c(data, before)
    return value


Measure = tuple[int, ...]
"""What a commit record keeps of a key's bytes."""


def measure(data: bytes) -> Measure:
    """Return size, CRC-32C, and the CRC-32C of all but the last four bytes.

    The third is needed because chunks end in their own CRC-32C: the CRC of anything that is
    followed by its CRC is one constant, and would not tell a chunk from another of its size.
    """
    body = crc32c(memoryview(data)[:-CRC_BYTES])
    return len(data), crc32c(data[-CRC_BYTES:], body), body


def _compressor(dtype: str) -> Blosc:
    shuffle = Blosc.NOSHUFFLE if dtype == STRING else Blosc.BITSHUFFLE
    return Blosc(cname="lz4", clevel=5, shuffle=shuffle)


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("<")


def _fill_to_json(fill: float | str) -> float | str:
    return "NaN" if isinstance(fill, float) and np.isnan(fill) else fill


def _fill_from_json(fill: Any, dtype: str) -> float | str:  # noqa: ANN401 - JSON
    if dtype == STRING:
        return str(fill)
    return float(fill) if np.dtype(dtype).kind == "f" else int(fill)

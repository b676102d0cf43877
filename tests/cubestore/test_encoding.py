"""Blocks that we encode are read back equal by zarr-python, tensorstore and zarrs."""

import json
import pickle

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from hypothesis import strategies as st

from cubestore.encoding import MANTISSA_BITS, Array, crc32c, measure
from cubestore.errors import DamagedError, MismatchError


def array(dtype="int16", fill=-32768, *, shards=True, attributes=None):
    return Array(
        name="pixels",
        dims=("time", "band", "y", "x"),
        shape=(2, 3, 72, 80),
        dtype=dtype,
        fill=fill,
        chunks=(1, 3, 16, 16),
        shards=(1, 3, 64, 64) if shards else None,
        attributes=attributes or {},
    )


def write(spec, values, directory):
    """Store ``values``, of ``spec.shape``, as an array of its own."""
    home = directory / spec.name
    home.mkdir(parents=True, exist_ok=True)
    (home / "zarr.json").write_text(json.dumps(spec.document()))
    for index in np.ndindex(spec.blocks()):
        window = tuple(slice(i * b, i * b + b) for i, b in zip(index, spec.block, strict=True))
        data = spec.encode(values[window])
        if data is not None:
            path = directory / spec.key(index)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return home


def some_pixels(spec, seed=0):
    values = np.random.default_rng(seed).integers(0, 255, spec.shape).astype(spec.dtype)
    values[0, :, :40, :40] = spec.fill  # whole chunks and parts of chunks without data
    values[1, :, :64, :64] = spec.fill  # a whole shard
    return values


DTYPES = [
    ("int16", -32768),
    ("uint16", 0),
    ("uint8", 255),
    ("float32", np.nan),
    ("uint32", 2**32 - 1),
]


@pytest.mark.parametrize("shards", [True, False])
@pytest.mark.parametrize(("dtype", "fill"), DTYPES)
def test_zarr_and_tensorstore_read_what_we_encode(tmp_path, dtype, fill, shards):
    spec = array(dtype, fill, shards=shards)
    values = some_pixels(spec)
    home = write(spec, values, tmp_path)
    np.testing.assert_array_equal(zarr.open_array(home)[:], values)
    driver = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(home)}}
    np.testing.assert_array_equal(tensorstore.open(driver).result().read().result(), values)


@pytest.mark.parametrize(("dtype", "fill"), DTYPES)
def test_zarrs_reads_what_we_encode(tmp_path, dtype, fill):
    spec = array(dtype, fill)
    values = some_pixels(spec)
    home = write(spec, values, tmp_path)
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        np.testing.assert_array_equal(zarr.open_array(home)[:], values)


def test_our_metadata_is_what_zarr_itself_would_write(tmp_path):
    spec = array()
    home = write(spec, some_pixels(spec), tmp_path)
    ours = zarr.open_array(home).metadata
    assert json.loads(json.dumps(ours.to_dict(), default=str)).keys() >= {"shape", "codecs"}
    theirs = zarr.create_array(
        tmp_path / "theirs",
        shape=spec.shape,
        dtype="int16",
        chunks=spec.chunks,
        shards=spec.shards,
        fill_value=-32768,
        dimension_names=spec.dims,
        compressors=[
            zarr.codecs.BloscCodec(
                typesize=2, cname="lz4", clevel=5, shuffle="bitshuffle", blocksize=0
            ),
            zarr.codecs.Crc32cCodec(),
        ],
    ).metadata
    assert ours == theirs


def test_a_document_gives_its_array_back():
    for spec in (array(), array(shards=False), array("float32", np.nan)):
        again = Array.from_document(spec.name, json.loads(json.dumps(spec.document())))
        assert again.document() == spec.document()
        assert pickle.loads(pickle.dumps(again)).document() == spec.document()  # noqa: S301


def test_a_block_of_nothing_but_nodata_is_not_stored():
    for dtype, fill in DTYPES:
        spec = array(dtype, fill)
        assert spec.encode(np.full(spec.block, fill, dtype)) is None


def test_encoding_is_the_same_every_time():
    spec = array()
    values = some_pixels(spec)[:1, :, :64, :64]
    assert len({spec.encode(values.copy()) for _ in range(5)}) == 1


def test_mantissas_are_rounded_to_ten_bits(tmp_path):
    spec = array("float32", np.nan, attributes={MANTISSA_BITS: 10})
    values = np.random.default_rng(1).uniform(1e-4, 2, spec.shape).astype("float32")
    values[0, 0, 0, :5] = np.nan
    read = zarr.open_array(write(spec, values, tmp_path))[:]
    error = np.abs(10 * np.log10(read / values))
    assert np.nanmax(error) <= 0.0022  # dB: half of the last of ten bits, at worst
    assert np.nanmax(error) > 0.001
    np.testing.assert_array_equal(np.isnan(read), np.isnan(values))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.zeros((1, 3, 64, 64), "int32"), "int32"),
        (np.zeros((1, 3, 65, 64), "int16"), "65"),
        (np.zeros((3, 64, 64), "int16"), "(3, 64, 64)"),
    ],
)
def test_another_dtype_or_shape_is_refused(values, problem):
    with pytest.raises(MismatchError, match=problem.replace("(", r"\(").replace(")", r"\)")):
        array().encode(values)


STRINGS = Array(name="item_id", dims=("time",), shape=(5,), dtype="string", fill="", chunks=(8,))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=8, max_size=8))
def test_strings_survive(texts):
    data = STRINGS.encode(np.array(texts, object))
    if data is None:
        assert set(texts) == {""}
    else:
        assert STRINGS.decode_chunk(data, "item_id/c/0").tolist() == texts


@given(npst.arrays(np.float32, 16, elements=st.floats(width=32)), st.integers(0), st.integers(0, 7))
def test_one_flipped_bit_is_found(values, position, bit):
    spec = Array(
        name="cloud_cover", dims=("time",), shape=(16,), dtype="float32", fill=np.nan, chunks=(16,)
    )
    data = spec.encode(values)
    if data is None:
        return
    np.testing.assert_array_equal(spec.decode_chunk(data, "cloud_cover/c/0"), values)
    damaged = bytearray(data)
    damaged[position % len(data)] ^= 1 << bit
    with pytest.raises(DamagedError, match="cloud_cover/c/0"):
        spec.decode_chunk(bytes(damaged), "cloud_cover/c/0")


def test_what_is_recorded_tells_chunks_of_one_size_apart():
    """Chunks end in their CRC-32C, behind which the CRC of all of them is one constant."""
    rng = np.random.default_rng(0)
    spec = Array(
        name="e", dims=("time", "f"), shape=(9, 64), dtype="float32", fill=np.nan, chunks=(1, 64)
    )
    chunks = [spec.encode(rng.normal(size=(1, 64)).astype("float32")) for _ in range(9)]
    one, other = next((a, b) for a in chunks for b in chunks if a != b and len(a) == len(b))
    assert crc32c(one) == crc32c(other)
    assert measure(one) != measure(other)

"""What is computed of pixels and vectors on the CPU, against formulas and the store's rules."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cubestore import embeddings
from cubestore.embeddings import Embedding
from cubestore.errors import MismatchError
from cubestore_model import arrays
from cubestore_model.arrays import INDICES, Scaling, spectral_index
from cubestore_model.arrays.scaling import ABSENT, Room

FILL = -32768
SCALING = Scaling(
    picked=[2, ABSENT, 0],
    mean=[10, 1, -3.5],
    std=[2, 1, 0.7],
    empty=[0.5, 0, -9],
    fill=FILL,
    limits=(-4, 8),
)


def told(scaling, stored, valid):
    """Return in float64 what a scaling does, number by number."""
    out = np.empty((len(stored), len(scaling.picked), *stored.shape[2:]))
    for k, band in enumerate(scaling.picked):
        if band == ABSENT:
            out[:, k] = scaling.empty[k]
            continue
        values = stored[:, band].astype(float)
        missing = ~valid | (values == scaling.fill) | ~np.isfinite(values)
        scaled = (values - scaling.mean[k]) / scaling.std[k]
        scaled = np.clip(scaled, *(scaling.limits or (-np.inf, np.inf)))
        out[:, k] = np.where(missing, scaling.empty[k], scaled)
    return out


@pytest.mark.parametrize("way", ["compiled", "torch"])
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_pixels_are_scaled_number_by_number(dtype, way):
    random = np.random.default_rng(0)
    stored = random.integers(0, 60, (2, 3, 5, 7)).astype(dtype)
    if dtype == "int16":
        stored[0, 2, 0, 0] = FILL
    if dtype == "float32":
        stored[0, 2, 0, :3] = np.nan, np.inf, -np.inf
    valid = random.random((2, 5, 7)) > 0.2
    tensors = torch.from_numpy(stored), torch.from_numpy(valid)
    scaled = SCALING(*tensors) if way == "compiled" else SCALING._by_torch(*tensors)
    np.testing.assert_allclose(scaled.numpy(), told(SCALING, stored, valid), rtol=1e-6, atol=1e-6)
    assert scaled.dtype == torch.float32


def test_a_room_is_used_again_and_only_grows():
    stored, room = torch.ones(4, 3, 8, 8, dtype=torch.int16), Room()
    first = SCALING(stored, room=room)
    kept = first.clone()
    fewer = SCALING(stored[:2] * 20, room=room)
    assert fewer.data_ptr() == first.data_ptr()
    assert fewer.shape == (2, 3, 8, 8)
    assert not torch.equal(first[:2], kept[:2])  # overwritten, as it says
    assert SCALING(stored).data_ptr() != first.data_ptr()  # without one, memory of its own
    more = SCALING(torch.ones(9, 3, 8, 8, dtype=torch.int16), room=room)
    torch.testing.assert_close(more[:4], kept)


def test_pixels_that_do_not_lie_together_are_scaled_too():
    stored = torch.arange(2 * 3 * 8 * 8, dtype=torch.int16).reshape(2, 3, 8, 8)
    inner = stored[:, :, 2:6, 1:7]
    torch.testing.assert_close(SCALING(inner), SCALING(inner.clone()))


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1.0, 0.0),
        (0.01, -20.0),
        (0.0, -100.0),  # Clay's pipeline: 1e-10 stands for nothing
        (-1.0, -100.0),  # noise was taken away
        (1e-12, -120.0),  # what is there is not floored
        (np.nan, np.nan),
    ],
)
def test_power_becomes_decibels(power, expected):
    made = arrays.decibels(np.float32([power]))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, [expected], rtol=1e-6)


@given(
    npst.arrays(np.float32, (3, 4), elements=st.floats(-1e6, 1e6, width=32)),
    st.floats(2**-10, 1024, width=32),
)
@settings(max_examples=50, deadline=None)
def test_vectors_in_a_byte_are_those_that_a_cube_would_keep(vectors, scale):
    vectors[1] = np.nan
    kept = Embedding(
        model="m",
        creator="us",
        weights_sha256="ab" * 32,
        preprocessing="none",
        pooling="mean",
        dimensions=4,
        chip_size=256,
        dtype="int8",
        scale=scale,
    ).stored(vectors)
    np.testing.assert_array_equal(arrays.steps_of(vectors, scale), kept)
    known = np.abs(vectors) <= 127 * np.float32(scale)
    error = np.abs(kept * np.float32(scale) - vectors)[known]
    assert (error <= scale * 0.5001).all()


def test_bytes_of_ssl4eo_keep_what_lies_within_two_deviations():
    pixels = np.float32([[[752 - 2 * 400, 752, 752 + 2 * 400, 9e9, np.nan]]])
    made = arrays.mean_two_std(pixels, [752], [400])
    assert made.tolist() == [[[0, 127, 255, 255, 0]]]
    assert arrays.ten_thousandths(np.int16([0, 39, 40, 10_000, 32_767])).tolist() == [
        *(0, 0, 1),
        *(255, 255),
    ]


BANDS = {
    "blue": 0.04,
    "green": 0.08,
    "red": 0.06,
    "rededge071": 0.12,
    "nir": 0.36,
    "swir16": 0.20,
    "swir22": 0.10,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndvi", 0.30 / 0.42),
        ("evi", 2.5 * 0.30 / (0.36 + 0.36 - 0.30 + 1)),
        ("evi2", 2.5 * 0.30 / (0.36 + 0.144 + 1)),
        ("savi", 1.5 * 0.30 / 0.92),
        ("ndre", 0.24 / 0.48),
        ("ndwi", -0.28 / 0.44),  # McFeeters': water is above 0, and this is a meadow
        ("mndwi", -0.12 / 0.28),
        ("ndmi", 0.16 / 0.56),
        ("nbr", 0.26 / 0.46),
        ("ndbi", -0.16 / 0.56),
        ("ndsi", -0.12 / 0.28),
    ],
)
@pytest.mark.parametrize("of", [np.float64, torch.tensor], ids=["numpy", "torch"])
def test_an_index_is_its_formula(name, expected, of):
    bands = {band: of([value, value]) for band, value in BANDS.items()}
    assert spectral_index(name, **bands).tolist() == pytest.approx([expected] * 2, rel=1e-6)
    assert any(year in INDICES[name].source for year in map(str, range(1970, 2010)))


def test_every_index_is_tested():
    assert len(INDICES) == 11


@pytest.mark.parametrize(
    ("name", "bands", "message"),
    [
        ("ndxi", {"red": np.ones(2)}, "one of ndvi, evi"),
        ("ndvi", {"red": np.ones(2)}, "nir, red: nir is not there"),
        ("ndvi", dict.fromkeys(["red", "nir"], np.ones(2, "uint16")), "red of uint16"),
        ("ndvi", dict.fromkeys(["red", "nir"], torch.ones(2).short()), "red of torch.int16"),
    ],
)
def test_what_an_index_cannot_be_of_is_refused(name, bands, message):
    with pytest.raises(MismatchError, match=message):
        spectral_index(name, **bands)


def test_nothing_by_nothing_is_no_number():
    assert np.isnan(spectral_index("ndvi", red=np.zeros(1), nir=np.zeros(1)))


def test_tensors_and_arrays_share_their_memory():
    tensor = torch.arange(6).reshape(2, 3)
    array = arrays.of_tensor(tensor)
    assert arrays.module_of(array) is np
    array[0, 0] = 9
    assert tensor[0, 0] == 9
    assert arrays.as_tensor(array).data_ptr() == tensor.data_ptr()
    assert embeddings.steps_for(np.float32([[1]]), 1).dtype == np.int8

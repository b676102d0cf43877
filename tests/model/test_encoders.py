"""What encoders give, and what each refuses by name: bands, wavelengths, sizes, NaN."""

import pytest
import torch

import cubestore_model
from cubestore.errors import MismatchError
from cubestore_model.encoders.clay import ClayConfig
from cubestore_model.errors import NotFetchedError

SMALL = {"dim": 16, "depth": 1, "heads": 1, "decoder_dim": 16, "decoder_depth": 1}
NETWORKS = {
    "clay-v1.5": SMALL,
    "ssl4eo-dino-vit-s16": {"dim": 12, "depth": 1, "heads": 2},
    "ssl4eo-mae-vit-h14-s1": {"dim": 12, "depth": 1, "heads": 2},
    "ssl4eo-data2vec-vit-s16": {"dim": 12, "depth": 1, "heads": 2},
    "ssl4eo-moco-resnet50-rgb": {"blocks": (1, 1)},
    "rcf": {"features": 8},
}


def network(model):
    return cubestore_model.untrained(model, config=NETWORKS[model])


def told(bands, **fields):
    return {"gsd": 10.0, "wavelengths": [0.5] * bands} | fields


@pytest.mark.parametrize(
    ("model", "bands", "side", "patches", "dim"),
    [
        ("clay-v1.5", 3, 64, 64, 16),
        ("ssl4eo-dino-vit-s16", 13, 224, 196, 12),
        ("ssl4eo-mae-vit-h14-s1", 2, 224, 256, 12),
        ("ssl4eo-data2vec-vit-s16", 13, 224, 196, 12),
        ("ssl4eo-moco-resnet50-rgb", 3, 64, 64, 512),  # two of its four stages
        ("rcf", 5, 64, 16, 8),
        ("rcf", 1, 7, 1, 8),  # smaller than a patch
    ],
)
@torch.inference_mode()
def test_a_chip_has_a_vector_and_one_for_each_patch(model, bands, side, patches, dim):
    encoder = network(model)
    pixels = torch.randn(2, bands, side, side, generator=torch.Generator().manual_seed(1))
    out = encoder(pixels, **told(bands))
    assert out.embedding.shape == (2, dim)
    assert out.patches.shape == (2, patches, dim)
    assert torch.isfinite(out.embedding).all()
    assert encoder.dimensions == dim
    alone = encoder(pixels[1:], **told(bands))
    torch.testing.assert_close(alone.embedding, out.embedding[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "pixels", "fields", "message"),
    [
        ("clay-v1.5", torch.zeros(1, 2, 16, 16, dtype=torch.int16), {}, "int16.*floating point"),
        ("clay-v1.5", torch.zeros(2, 16, 16), {}, r"shape \(2, 16, 16\)"),
        ("clay-v1.5", torch.full((1, 2, 16, 16), torch.nan), {}, "512 of 512 pixels are NaN"),
        ("rcf", torch.full((1, 2, 16, 16), torch.inf), {}, "512 of 512 pixels"),
        ("clay-v1.5", torch.zeros(1, 2, 20, 20), {}, "20 x 20 pixels.*multiple of 8"),
        ("clay-v1.5", torch.zeros(1, 2, 16, 24), {}, "16 x 24 pixels.*squares"),
        ("ssl4eo-dino-vit-s16", torch.zeros(1, 13, 256, 256), {}, "256 x 256.*side is 224"),
        ("ssl4eo-data2vec-vit-s16", torch.zeros(1, 13, 256, 256), {}, "256 x 256.*side is 224"),
        ("ssl4eo-moco-resnet50-rgb", torch.zeros(1, 3, 16, 16), {}, "multiple of 32"),
        ("rcf", torch.zeros(1, 3, 2, 2), {}, "at least 3 pixels"),
        ("ssl4eo-dino-vit-s16", torch.zeros(1, 12, 224, 224), {}, "12 bands.*Expected: 13"),
        ("ssl4eo-data2vec-vit-s16", torch.zeros(1, 3, 224, 224), {}, "3 bands.*Expected: 13"),
        ("ssl4eo-moco-resnet50-rgb", torch.zeros(1, 4, 64, 64), {}, "4 bands.*Expected: 3"),
        ("clay-v1.5", torch.zeros(1, 2, 16, 16), {"wavelengths": None}, r"Wavelengths \[\] of 2"),
        ("clay-v1.5", torch.zeros(1, 2, 16, 16), {"wavelengths": [0.5]}, r"\[0.5\] of 2 bands"),
        (
            "clay-v1.5",
            torch.zeros(1, 2, 16, 16),
            {"wavelengths": [0.5, torch.nan]},
            "one of each band",
        ),
        (
            "clay-v1.5",
            torch.zeros(1, 2, 16, 16),
            {"wavelengths": [493.0, 560.0]},  # as a published page shows it
            "560 micrometres.*divide nanometres by 1000",
        ),
        (
            "clay-v1.5",
            torch.zeros(1, 2, 16, 16),
            {"wavelengths": [55465.8, 55465.8]},  # radar's true one
            r"3\.5 \(vv\) and 4\.0 \(vh\)",
        ),
        ("clay-v1.5", torch.zeros(1, 2, 16, 16), {"gsd": None}, "gsd of None"),
        ("clay-v1.5", torch.zeros(1, 2, 16, 16), {"gsd": -10}, "gsd of -10"),
        ("clay-v1.5", torch.zeros(1, 2, 16, 16), {"time": torch.zeros(1, 2)}, r"time of shape \(1"),
        (
            "clay-v1.5",
            torch.zeros(1, 2, 16, 16),
            {"latlon": torch.full((1, 4), torch.nan)},
            "latlon of shape.*4 of them NaN",
        ),
    ],
)
def test_what_a_model_cannot_take_is_named(model, pixels, fields, message):
    bands = pixels.shape[1]
    with pytest.raises(MismatchError, match=message):
        network(model)(pixels, **told(bands, **fields))


@pytest.mark.parametrize(
    "options", [{"seeds": ()}, {"mask_ratio": 0.0}, {"mask_ratio": 1.0}], ids=str
)
def test_a_loss_without_drawings_or_masks_is_refused(options):
    with pytest.raises(MismatchError, match="drawings of"):
        network("clay-v1.5").loss(torch.zeros(1, 2, 16, 16), **told(2), **options)


def test_clays_sizes_must_take_sines_and_cosines():
    with pytest.raises(MismatchError, match="multiples of four"):
        ClayConfig(dim=18, depth=1, heads=1)


def chips(bands=2, side=16, count=8, seed=1):
    return torch.randn(count, bands, side, side, generator=torch.Generator().manual_seed(seed))


def test_random_features_are_the_same_for_a_seed_and_others_for_another():
    first, again, other = (
        cubestore_model.load_encoder("rcf", config={"features": 8, "seed": seed})
        for seed in (0, 0, 1)
    )
    assert torch.equal(first(chips()).embedding, again(chips()).embedding)
    assert not torch.allclose(first(chips()).embedding, other(chips()).embedding)


def test_features_from_ones_own_chips_are_kept_and_loaded_again(tmp_path):
    made = cubestore_model.empirical_rcf([chips(seed=1), chips(seed=2)], features=12, seed=3)
    again = cubestore_model.empirical_rcf([chips(seed=1), chips(seed=2)], features=12, seed=3)
    other = cubestore_model.empirical_rcf([chips(seed=1)], features=12, seed=3)
    assert torch.equal(made.network.weights, again.network.weights)
    assert not torch.equal(made.network.weights, other.network.weights)
    cubestore_model.save(made.network, tmp_path / "filters.safetensors")
    loaded = cubestore_model.load_encoder("rcf-empirical", weights=tmp_path / "filters.safetensors")
    assert torch.equal(loaded(chips()).embedding, made(chips()).embedding)
    assert loaded.weights_sha256 == made.weights_sha256
    assert len(made.weights_sha256) == 64
    with pytest.raises(MismatchError, match="Chips of 3 bands"):
        loaded(chips(bands=3))


def test_every_chip_gives_filters_alike_whichever_batch_it_comes_in():
    """Chips are told apart by the share of bright pixels around a dark one."""
    marked = [torch.full((1, 1, 3, 3), float(n)) for n in range(20)]
    for n, chip in enumerate(marked):
        chip[0, 0, 1, 1] = -n - 1
    from cubestore_model.encoders.rcf import RcfConfig, _patches  # noqa: PLC0415 - behind the face

    found = _patches(marked, RcfConfig(features=4000))
    counts = torch.bincount(found[:, 0, 0, 0].long(), minlength=20)
    assert counts.min() > 60  # of 100 expected
    assert counts.max() < 150


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "No chips"),
        ([torch.ones(2, 2, 8, 8)], "without any contrast"),
        ([chips(), chips(bands=3)], "2 bands, and then of 3"),
        ([chips(side=2)], "2 x 2 pixels"),
    ],
)
def test_chips_that_no_filter_can_come_from_are_refused(batches, message):
    with pytest.raises(MismatchError, match=message):
        cubestore_model.empirical_rcf(batches, features=8)


def test_nobody_publishes_filters_of_ones_own_chips():
    with pytest.raises(NotFetchedError, match=r"make it with cubestore_model\.empirical_rcf"):
        cubestore_model.load_encoder("rcf-empirical")


def test_an_odd_number_of_features_is_refused():
    with pytest.raises(MismatchError, match="an even number"):
        cubestore_model.load_encoder("rcf", config={"features": 7})

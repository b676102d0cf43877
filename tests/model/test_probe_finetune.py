"""Encoders that are tuned with a head: that they learn, are kept, and can be loaded again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import cubestore_model
from cubestore.errors import MismatchError
from cubestore_model.errors import NotFetchedError, WeightsError
from cubestore_model.probing import Finetuning, Samples, Tuning, experiment, finetune, load_tuned

QUICK = Tuning(epochs=8, patience=8, rate=2e-3, batch_size=8, device="cpu")
SIZE = 16


def samples(count=40, *, maps=False):
    """Return chips of two bands, of which the second is bright where there is water."""
    rng = np.random.default_rng(0)
    shape = (count, SIZE // 8, SIZE // 8) if maps else (count, 1, 1)
    coarse = rng.integers(0, 2, shape)
    fine = coarse.repeat(SIZE // shape[1], axis=1).repeat(SIZE // shape[2], axis=2)
    pixels = rng.normal(size=(count, 2, SIZE, SIZE)) + np.stack([0 * fine, 3 * fine], axis=1)
    empty = (count, SIZE // 8, SIZE // 8, 0) if maps else (count, 0)
    return Samples(
        names=tuple(map(str, range(count))),
        lonlat=np.stack([3 + np.arange(count) / 10, np.zeros(count)], axis=1),
        side=160.0,
        classes=("land", "water"),
        labels=fine if maps else coarse.ravel(),
        vectors=np.empty(empty, np.float32),
        told={
            "pixels": pixels.astype("float32"),
            "time": np.zeros((count, 4), "float32"),
            "latlon": np.zeros((count, 4), "float32"),
            "gsd": 10.0,
            "wavelengths": (0.665, 0.842),
        },
    )


@pytest.fixture(scope="module")
def clay():
    small = {"dim": 16, "depth": 2, "heads": 2, "dim_head": 16}
    return cubestore_model.untrained("clay-tiny", config=small)


@pytest.mark.parametrize("maps", [False, True])
def test_a_tuned_encoder_tells_what_is_in_the_pixels(clay, maps):
    before = {n: t.clone() for n, t in clay.state_dict().items()}
    told = experiment.run(samples(maps=maps), method=Finetuning(clay, QUICK), seeds=1)
    assert told.measure("mean IoU" if maps else "accuracy").mean > 0.8
    assert told.method == "finetune"
    assert "first weights" in told.varies
    assert all(torch.equal(before[n], t) for n, t in clay.state_dict().items())


def test_what_is_kept_can_be_loaded_and_gives_the_same(clay, tmp_path):
    tuning = replace(QUICK, epochs=2, folder=str(tmp_path / "tuned"))
    some = samples()
    again = [Finetuning(clay, tuning)(some, some, seed=3)(some) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    loaded = load_tuned(tmp_path / "tuned" / "seed-3.safetensors")
    np.testing.assert_allclose(loaded.score(some), again[0], atol=1e-6)
    assert loaded.config.classes == ("land", "water")
    other = Finetuning(clay, replace(tuning, folder=""))(some, some, seed=4)(some)
    assert np.abs(other - again[0]).max() > 1e-3


def test_features_without_weights_get_a_head_alone():
    features = cubestore_model.load_encoder("rcf", config={"features": 64, "patch_size": 8})
    tuning = replace(QUICK, rate=1e-2)
    told = experiment.run(samples(maps=True), method=Finetuning(features, tuning), seeds=1)
    assert told.measure("mean IoU").mean > 0.8


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        # Clay: its generator of weights has a layers.0 of its own, below all of the transformer's.
        (
            [
                "encoder.patch_embedding.weight_generator.encoder.layers.0.norm1.weight",
                "encoder.transformer.norm.weight",
                "encoder.transformer.layers.0.1.net.1.weight",
                "encoder.transformer.layers.1.1.net.1.weight",
                "decoder.transformer.layers.3.1.net.1.weight",
            ],
            [3, 0, 2, 1, 3],
        ),
        (
            ["cls_token", "blocks.0.attn.qkv.weight", "blocks.1.norm1.bias", "norm.bias"],
            [3, 2, 1, 0],
        ),
        (["conv1.weight", "layer1.0.conv1.weight", "layer4.2.bn1.bias"], [5, 4, 1]),
        (["weights"], [0]),  # no layers
    ],
)
def test_layers_are_counted_from_the_head(names, expected):
    assert list(finetune.depths(names).values()) == expected


def test_what_lies_lower_learns_less(clay):
    some = samples(16)
    slow = Finetuning(clay, replace(QUICK, epochs=1, layer_decay=1e-6)).fit(some, some, 0)
    before, after = clay.state_dict(), slow.encoder.state_dict()
    moved = {n: float((after[n] - before[n]).abs().max()) for n in before}
    token = next(n for n in moved if n.endswith("encoder.cls_token"))
    last = next(n for n in moved if n.endswith("encoder.transformer.norm.weight"))
    assert moved[token] < 1e-6 < moved[last]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "0 epochs"),
        ({"rate": -1.0}, "rate -1"),
        ({"layer_decay": 1.5}, "layer_decay 1.5"),
        ({"batch_size": 0}, "0 a batch"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused(changes, message):
    with pytest.raises(MismatchError, match=message):
        Tuning(**changes)


def test_files_of_something_else_are_named(clay, tmp_path):
    cubestore_model.save(clay.network, tmp_path / "encoder.safetensors")
    with pytest.raises(WeightsError, match=r"encoder.safetensors holds no tuned model"):
        load_tuned(tmp_path / "encoder.safetensors")
    with pytest.raises(NotFetchedError, match="no file"):
        load_tuned(tmp_path / "none")
    with pytest.raises(MismatchError, match="Samples without pixels"):
        Finetuning(clay, QUICK)(replace(samples(), told={}), samples(), seed=0)

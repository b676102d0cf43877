"""Encoders give what the published code gives: numbers of its own, never of a second one of ours.

Golden files hold outputs of the code of Clay and of SSL4EO-S12. The few numbers that stand here
were printed by torchvision's `resnet.py` (0.29.1), SSL4EO-S12's `data2vec/modeling_finetune.py`,
torchgeo's `rcf.py` and Clay's `per_pixel_loss`, with the weights of `published.filled`.
"""

import json

import numpy as np
import pytest
import torch

import cubestore_model
from cubestore_model.encoders.beit import Beit
from cubestore_model.encoders.rcf import whitened
from cubestore_model.encoders.resnet import ResNet, ResNetConfig
from cubestore_model.encoders.transformer import TransformerConfig
from tests.model.published import filled

CLOSE = {"rtol": 0, "atol": 1e-5}
CASES = ["s2", "naip", "s1", "l8", "modis"]


@pytest.fixture(scope="module")
def golden(shared_data):
    return shared_data / "golden"


def clay_sizes(golden):
    told = json.loads((golden / "clay_demo_args.json").read_text())
    names = ("dim", "depth", "heads", "dim_head", "mlp_ratio")
    decoder = {f"decoder_{name}": told["decoder"][name] for name in names}
    return {name: told["encoder"][name] for name in names} | decoder


@pytest.fixture(scope="module")
def clay(golden):
    weights = golden / "clay_demo_random.ckpt"
    return cubestore_model.load_encoder("clay-v1.5", weights=weights, config=clay_sizes(golden))


def scene(golden, case):
    with np.load(golden / "clay_demo_golden.npz") as file:
        told = {n.removeprefix(f"{case}_"): file[n] for n in file if n.startswith(f"{case}_")}
    generator = torch.Generator().manual_seed(int(told["pixels_seed"]))
    arguments = {
        "time": torch.tensor(told["time"]),
        "latlon": torch.tensor(told["latlon"]),
        "gsd": float(told["gsd"]),
        "wavelengths": told["waves"].tolist(),
    }
    return torch.randn(*told["shape"].tolist(), generator=generator), arguments, told


@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_clay_encodes_and_decodes_as_published(golden, clay, case):
    pixels, arguments, told = scene(golden, case)
    out = clay(pixels, **arguments)
    torch.testing.assert_close(out.embedding, torch.tensor(told["cls"]), **CLOSE)
    torch.testing.assert_close(out.patches[:, :64], torch.tensor(told["patches"]), **CLOSE)
    masked = told["masked_index"].shape[1]  # the first ones, in their order
    kept = torch.arange(masked, out.patches.shape[1])
    decoded = clay.network.reconstruct(pixels, clay.network.scene(pixels, **arguments), kept)
    torch.testing.assert_close(decoded[:, :32], torch.tensor(told["decoded"]), **CLOSE)


@pytest.mark.parametrize(
    ("case", "normed", "expected"),
    [
        ("s1", False, [0.7976238, 0.7846386]),  # v1.5: pixels
        ("s1", True, [0.7973838, 0.7988851]),  # v1: each patch normalised
        ("l8", False, [0.8053254, 0.8030193]),
        ("l8", True, [0.8000196, 0.8004178]),
    ],
)
@torch.inference_mode()
def test_clays_loss_is_the_published_one_of_each_chip(golden, case, normed, expected):
    encoder = cubestore_model.load_encoder(
        "clay-v1.5",
        weights=golden / "clay_demo_random.ckpt",
        config=clay_sizes(golden) | {"norm_pix_loss": normed},
    )
    pixels, arguments, told = scene(golden, case)
    order = torch.arange(told["masked_index"].shape[1] * 4 // 3)  # the first ones, in their order
    for drawn in (order, order.expand(len(pixels), -1)):  # for all chips, and for each
        found = encoder.network.masked_error(pixels, drawn, mask_ratio=0.75, **arguments)
        torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-6)


@torch.inference_mode()
def test_a_chips_loss_does_not_depend_on_its_batch_and_is_the_mean_over_drawings(golden, clay):
    pixels, arguments, _ = scene(golden, "s1")
    loss = clay.loss(pixels, seeds=(3, 5), **arguments)
    alone = {n: a[1:] if n in {"time", "latlon"} else a for n, a in arguments.items()}
    torch.testing.assert_close(clay.loss(pixels[1:], seeds=(3, 5), **alone), loss[1:])
    each = [clay.loss(pixels, seeds=(seed,), **arguments) for seed in (3, 5)]
    assert not torch.equal(*each)
    torch.testing.assert_close(loss, (each[0] + each[1]) / 2)
    assert clay.loss_metric == (
        "mean absolute error of normalised pixels, 75% masked, mean of 4 drawings"
    )


@torch.inference_mode()
def test_published_embeddings_are_made_with_longitude_for_latitude(golden, clay):
    weights, compat = golden / "clay_demo_random.ckpt", "clay-v1.5-published"
    config = clay_sizes(golden)
    swapping = cubestore_model.load_encoder(
        "clay-v1.5", weights=weights, config=config, compat=compat
    )
    pixels, arguments, _ = scene(golden, "s1")
    latitude, longitude = arguments["latlon"].tensor_split(2, dim=1)
    wrong = arguments | {"latlon": torch.cat([longitude, latitude], dim=1)}
    published = swapping(pixels, **arguments).embedding
    torch.testing.assert_close(published, clay(pixels, **wrong).embedding)
    assert not torch.allclose(published, clay(pixels, **arguments).embedding)


@torch.inference_mode()
def test_what_is_not_known_of_a_chip_is_zero_as_in_a_fifth_of_the_training(golden, clay):
    pixels, arguments, _ = scene(golden, "s1")
    zeros = dict.fromkeys(("time", "latlon"), torch.zeros(2, 4))
    unknown = {n: a for n, a in arguments.items() if n not in zeros}
    expected = clay(pixels, **(arguments | zeros)).embedding
    torch.testing.assert_close(clay(pixels, **unknown).embedding, expected)


@torch.inference_mode()
def test_dinos_transformer_gives_the_published_class_tokens(golden):
    encoder = cubestore_model.load_encoder(
        "ssl4eo-dino-vit-s16",
        weights=golden / "dino_vit_demo_random.pth",
        config={"dim": 60, "depth": 6, "heads": 6},
    )
    pixels = torch.rand(2, 13, 224, 224, generator=torch.Generator().manual_seed(990))
    with np.load(golden / "dino_vit_demo_golden.npz") as file:
        chips, last = torch.tensor(file["cls"]), torch.tensor(file["last4"])
    out = encoder(pixels)
    torch.testing.assert_close(out.embedding, chips, **CLOSE)
    torch.testing.assert_close(encoder.network.class_tokens(pixels), last, **CLOSE)
    assert out.patches.shape == (2, 196, 60)


@pytest.mark.parametrize(
    ("model", "file", "part"),
    [
        ("clay-v1.5", "clay_large_keys.json", "encoder"),
        ("clay-v1", "clay_base_keys.json", "encoder"),
        ("ssl4eo-dino-vit-s16", "vit_s16_13band_keys.json", ""),
        ("ssl4eo-moco-vit-s16", "vit_s16_13band_keys.json", ""),
        ("ssl4eo-mae-vit-s16", "vit_s16_13band_keys.json", ""),
    ],
)
def test_names_and_shapes_are_the_published_ones(golden, model, file, part):
    published = json.loads((golden / file).read_text())
    network = on_meta(model).get_submodule(part)
    assert {n: list(t.shape) for n, t in network.state_dict().items()} == published


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("clay-v1.5", 311_442_944),  # the model card: 311 M
        ("clay-v1", 92_102_144),
        ("ssl4eo-moco-resnet50", 23_539_392),  # torchvision's 25,557,032, without fc, 13 bands
        ("ssl4eo-dino-resnet50", 23_539_392),
        ("ssl4eo-dino-vit-s16", 22_648_704),
    ],
)
def test_models_have_as_many_parameters_as_the_published_ones(model, parameters):
    assert parameters_of(model) == parameters


@pytest.mark.parametrize("model", [entry.id for entry in cubestore_model.encoders().values()])
def test_the_registry_tells_the_size_of_the_encoder_that_is_built(model):
    entry = cubestore_model.encoders()[model]
    assert parameters_of(model) == entry.parameters
    assert getattr(entry.config, "dim", entry.dimensions) == entry.dimensions


def parameters_of(model):
    network = on_meta(model)
    return sum(part.numel() for part in getattr(network, "encoder", network).parameters())


def on_meta(model):
    entry = cubestore_model.encoders()[model]
    with torch.device("meta"):
        return entry.build(entry.config)


def chips(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("network", "expected", "mean"),
    [
        (
            ResNet(ResNetConfig(bands=2, blocks=(1, 2, 1, 1), bottleneck=False)),
            [[0.1925398, 0.1992868, 0.0130144], [0.1917327, 0.1993758, 0.0129406]],
            0.0562081,
        ),
        (
            ResNet(ResNetConfig(bands=2, blocks=(1, 2, 1, 1))),
            [[0.0, 0.2874416, 0.0], [0.0, 0.2874931, 0.0]],
            0.0626553,
        ),
        (
            Beit(TransformerConfig(bands=2, dim=24, depth=2, heads=3, image_size=64)),
            [[-1.3614661, -0.4189443, 0.3942788], [-1.3889354, -0.0579357, 0.4490048]],
            0.7910769,
        ),
    ],
    ids=["basic", "bottleneck", "beit"],
)
@torch.inference_mode()
def test_networks_give_the_numbers_of_the_published_code(network, expected, mean):
    state = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict(filled(state))
    found = network.eval()(chips(2, 2, 64, 64)).embedding
    torch.testing.assert_close(found[:, :3], torch.tensor(expected), **CLOSE)
    assert found.abs().mean().item() == pytest.approx(mean, abs=1e-6)


def test_random_features_are_torchgeos_with_the_same_seed():
    encoder = cubestore_model.load_encoder("rcf", config={"features": 6, "seed": 7})
    expected = [
        [1.3412617, 1.7004543, 1.4755881, 2.4415743, 2.8630018, 2.4055026],
        [1.2654021, 1.5253950, 1.2966362, 2.3735189, 2.4993021, 2.3202720],
    ]
    found = encoder(chips(2, 3, 16, 16)).embedding
    torch.testing.assert_close(found, torch.tensor(expected), **CLOSE)


def test_patches_are_whitened_as_mosaiks_whitens_them():
    patches = chips(40, 2, 3, 3)
    patches[3] = 1.0
    found = whitened(patches)
    expected = [[-3.20037, -1.85801, -7.30173], [-1.95440, 1.89581, 5.92989]]
    torch.testing.assert_close(found[[0, 39], 1, 1], torch.tensor(expected), rtol=0, atol=5e-5)
    assert not found[3].any()  # without contrast there is nothing to look for

"""Weights come from files without anything being run, and fit name by name, or are refused."""

import argparse
import os
import pickle
import re

import pytest
import safetensors.torch
import torch

import cubestore_model
from cubestore.errors import MismatchError
from cubestore_model import weights
from cubestore_model.errors import NotFetchedError, WeightsError
from tests.model import published
from tests.model.published import filled

VIT = {"dim": 12, "depth": 2, "heads": 2, "image_size": 32}
SHAPES = {"dim": 12, "depth": 2, "patch": 16, "image": 32}
RESNET = {"blocks": (1, 1)}


def wrapped(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def others(*names):
    return {name: torch.ones(3) for name in names}


def moco_resnet(tensors):
    head = others(
        *(f"module.encoder_q.fc.{n}.{part}" for n in (0, 2) for part in ("weight", "bias"))
    )
    momentum = wrapped("module.encoder_k.", tensors) | others("module.encoder_k.fc.0.weight")
    queue = others("module.queue", "module.queue_ptr")
    return {
        "epoch": 100,
        "arch": "resnet50",
        "state_dict": wrapped("module.encoder_q.", tensors) | head | momentum | queue,
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.03}]},
    }


def moco_vit(tensors):
    head = others(*(f"module.base_encoder.head.{n}.weight" for n in (0, 3, 6)))
    momentum = wrapped("module.momentum_encoder.", tensors)
    predictor = others("module.predictor.0.weight", "module.predictor.1.running_mean")
    base = wrapped("module.base_encoder.", tensors)
    return {"epoch": 100, "state_dict": base | head | momentum | predictor}


def dino(tensors):
    head = others("module.head.mlp.0.weight", "module.head.last_layer.weight_g")
    return {
        "student": wrapped("module.backbone.", tensors),
        "teacher": wrapped("module.backbone.", tensors) | head,
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_small", local_crops_scale=(0.05, 0.14)),
        "dino_loss": {"center": torch.zeros(1, 8)},
    }


def dino_without_batch_norm(tensors):
    head = others("head.mlp.0.weight", "head.last_layer.weight_v")  # no wrapper for several devices
    return {"teacher": wrapped("backbone.", tensors) | head, "epoch": 100}


def mae(tensors):
    decoder = others(
        "mask_token",
        "decoder_pos_embed",
        "decoder_embed.weight",
        "decoder_blocks.0.attn.qkv.weight",
        "decoder_norm.weight",
        "decoder_pred.bias",
    )
    told = argparse.Namespace(mask_ratio=0.7, input_size=224)
    return {"model": tensors | decoder, "optimizer": {}, "epoch": 99, "scaler": {}, "args": told}


def data2vec(tensors):
    training = others("mask_token", "norm.weight", "norm.bias", "lm_head.weight", "lm_head.bias")
    index = {"rel_pos_bias.relative_position_index": torch.zeros(5, 5, dtype=torch.int64)}
    told = argparse.Namespace(target_layers="[6,7,8,9,10,11]")
    return {"model": tensors | training | index, "epoch": 99, "args": told}


def bare(tensors):
    return tensors  # as torchgeo publishes them


def vit(bands, patch=16, image=32):
    return published.vit(bands, **SHAPES | {"patch": patch, "image": image})


BASIC = published.resnet(13, (1, 1), bottleneck=False)
DEEP = published.resnet(13, (1, 1), bottleneck=True)
BEIT = published.beit(13, **SHAPES, heads=2)

CHECKPOINTS = [
    ("ssl4eo-moco-resnet18", RESNET, moco_resnet, BASIC),
    ("ssl4eo-moco-resnet18-rgb", RESNET, bare, published.resnet(3, (1, 1), bottleneck=False)),
    ("ssl4eo-moco-resnet50", RESNET, moco_resnet, DEEP),
    ("ssl4eo-moco-resnet50-rgb", RESNET, bare, published.resnet(3, (1, 1), bottleneck=True)),
    ("ssl4eo-moco-resnet50-s1", RESNET, bare, published.resnet(2, (1, 1), bottleneck=True)),
    ("ssl4eo-dino-resnet50", RESNET, dino, DEEP),
    ("ssl4eo-moco-vit-s16", VIT, moco_vit, vit(13)),
    ("ssl4eo-dino-vit-s16", VIT, dino, vit(13)),
    ("ssl4eo-dino-vit-s16", VIT, dino_without_batch_norm, vit(13)),
    *((f"ssl4eo-mae-vit-{size}", VIT, mae, vit(13)) for size in ("s16", "b16", "l16")),
    *((f"ssl4eo-mae-vit-{size}-s1", VIT, mae, vit(2)) for size in ("s16", "b16", "l16")),
    ("ssl4eo-mae-vit-h14", VIT | {"image_size": 28}, mae, vit(13, 14, 28)),
    ("ssl4eo-mae-vit-h14-s1", VIT | {"image_size": 28}, mae, vit(2, 14, 28)),
    ("ssl4eo-data2vec-vit-s16", VIT, data2vec, BEIT),
]


def by_model(rows):
    return pytest.mark.parametrize(
        ("model", "config", "wrap", "shapes"),
        rows,
        ids=[f"{row[0]}, {row[2].__name__}" for row in rows],
    )


def test_every_published_model_of_ssl4eo_has_a_checkpoint_here():
    known = {model for model in cubestore_model.encoders() if model.startswith("ssl4eo-")}
    assert {row[0] for row in CHECKPOINTS} == known


@by_model(CHECKPOINTS)
def test_nothing_is_missing_but_heads_and_nothing_left_over(tmp_path, model, config, wrap, shapes):
    tensors = filled(shapes)
    torch.save(wrap(tensors), tmp_path / "published.pth")
    encoder = cubestore_model.load_encoder(model, weights=tmp_path / "published.pth", config=config)
    held = encoder.network.state_dict()
    assert set(held) == set(tensors)
    assert all(torch.equal(held[name], tensors[name]) for name in tensors)
    assert encoder.weights_sha256 == weights.sha256(tmp_path / "published.pth")
    assert not encoder.training


@by_model([CHECKPOINTS[0], CHECKPOINTS[6], CHECKPOINTS[9], CHECKPOINTS[-1]])
@pytest.mark.parametrize("change", ["missing", "left over", "reshaped"])
def test_a_name_or_shape_that_does_not_fit_is_named(tmp_path, change, model, config, wrap, shapes):
    tensors = filled(shapes)
    name = next(n for n in tensors if n.startswith(("blocks.1.", "layer2.0.")))
    tensor = tensors.pop(name)
    found = {
        "missing": {},
        "left over": {name: tensor, "surprise.weight": torch.ones(2)},
        "reshaped": {name: tensor[:1]},
    }[change]
    torch.save(wrap(tensors | found), tmp_path / "published.pth")
    with pytest.raises(WeightsError) as refused:
        cubestore_model.load_encoder(model, weights=tmp_path / "published.pth", config=config)
    message = {
        "missing": f"1 missing, such as {name}",
        "left over": "1 unknown, such as .*surprise.weight",
        "reshaped": f"{name} of shape",
    }
    assert re.search(message[change], str(refused.value))
    assert "cubestore models" in refused.value.remedy


@pytest.fixture
def tiny():
    return cubestore_model.load_encoder("clay-tiny")


def test_a_model_without_published_weights_starts_from_the_same_random_ones(tiny):
    again = cubestore_model.load_encoder("clay-tiny")
    other = cubestore_model.untrained("clay-tiny", seed=1)
    name = "network.encoder.cls_token"
    assert torch.equal(tiny.state_dict()[name], again.state_dict()[name])
    assert not torch.equal(tiny.state_dict()[name], other.state_dict()[name])
    assert tiny.weights_sha256 == ""


CLAY = {
    "lightning": lambda state: {
        "state_dict": wrapped("model.", state)
        | others("model.proj.weight", "model.teacher.blocks.0.norm1.weight"),
        "pytorch-lightning_version": "2.3.3",
        "hyper_parameters": {"model_size": "tiny", "dolls": [16, 32]},
    },
    "stripped": lambda state: state,
    "encoder alone": lambda state: {
        n.removeprefix("encoder."): t for n, t in state.items() if n.startswith("encoder.")
    },
}


@pytest.mark.parametrize("form", ["safetensors", "torch"])
@pytest.mark.parametrize("wrap", list(CLAY))
def test_clays_weights_are_read_however_they_are_wrapped(tmp_path, tiny, wrap, form):
    made, path = CLAY[wrap](tiny.network.state_dict()), tmp_path / "weights"
    if form == "torch":
        torch.save(made, path)
    else:
        safetensors.torch.save_file(dict(made.get("state_dict", made)), path)
    found = cubestore_model.load_encoder("clay-tiny", weights=path)
    assert all(
        torch.equal(tensor, tiny.network.state_dict()[name])
        for name, tensor in found.network.state_dict().items()
    )
    assert (found.loss_metric == "") == (wrap == "encoder alone")


def test_without_a_decoder_there_are_vectors_and_no_loss(tmp_path, tiny):
    torch.save(CLAY["encoder alone"](tiny.network.state_dict()), tmp_path / "encoder.pt")
    encoder = cubestore_model.load_encoder("clay-tiny", weights=tmp_path / "encoder.pt")
    pixels, told = torch.zeros(1, 2, 16, 16), {"gsd": 10.0, "wavelengths": [3.5, 4.0]}
    assert encoder(pixels, **told).embedding.shape == (1, 192)
    with pytest.raises(MismatchError, match="a checkpoint that holds a decoder"):
        encoder.loss(pixels, **told)


def test_half_precision_becomes_single(tmp_path, tiny):
    halves = {name: tensor.half() for name, tensor in tiny.network.state_dict().items()}
    torch.save(halves, tmp_path / "half.pt")
    found = cubestore_model.load_encoder("clay-tiny", weights=tmp_path / "half.pt")
    assert {tensor.dtype for tensor in found.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("clay-tiny", {"dim": 48, "depth": 1, "decoder_depth": 1}),
        ("ssl4eo-moco-resnet18", RESNET),
        ("ssl4eo-dino-vit-s16", VIT),
    ],
)
def test_what_is_saved_remembers_its_sizes(tmp_path, model, config):
    encoder = cubestore_model.untrained(model, config=config)
    cubestore_model.save(encoder.network, tmp_path / "mine.safetensors")
    found = cubestore_model.load_encoder(model, weights=tmp_path / "mine.safetensors")
    assert found.config == encoder.config
    state = encoder.network.state_dict()
    assert all(torch.equal(t, state[n]) for n, t in found.network.state_dict().items())
    assert not list(tmp_path.glob("*.part"))


def test_weights_that_name_their_model_are_refused_as_another(tmp_path):
    """Sizes alone would fit: any Clay can be built as small as another."""
    encoder = cubestore_model.untrained("clay-tiny", config={"depth": 1, "decoder_depth": 1})
    path = tmp_path / "mine.safetensors"
    cubestore_model.save(encoder.network, path, model=encoder.id)
    assert cubestore_model.load_encoder("clay-tiny", weights=path).config == encoder.config
    with pytest.raises(WeightsError, match=r"weights of clay-tiny.*name clay-tiny as the model"):
        cubestore_model.load_encoder("clay-v1.5", weights=path)


def test_vectors_can_have_a_name_of_their_own_but_not_that_of_another_model():
    assert cubestore_model.load_encoder("rcf", name="rcf-512").id == "rcf-512"
    for taken in ("clay-v1.5", "rcf\n"):
        with pytest.raises(MismatchError, match="call it rcf-"):
            cubestore_model.load_encoder("rcf", name=taken)


class Malicious:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (torch.save, "asks for posix.mkdir to be run"),
        (lambda what, path: path.write_bytes(pickle.dumps(what)), "other things than tensors"),
    ],
    ids=["checkpoint", "plain pickle"],
)
def test_code_in_a_checkpoint_is_never_run(tmp_path, save, message):
    path, made = tmp_path / "bad.pth", tmp_path / "made"
    save({"state_dict": {"a": torch.ones(1)}, "hook": Malicious(made)}, path)
    with pytest.raises(WeightsError, match=message) as refused:
        cubestore_model.load_encoder("clay-tiny", weights=path)
    assert not made.exists()
    assert "weights_only" not in str(refused.value)


def truncated_zip(path, tiny):
    torch.save(tiny.network.state_dict(), path)
    path.write_bytes(path.read_bytes()[:-5000])


def truncated_safetensors(path, tiny):
    cubestore_model.save(tiny.network, path)
    path.write_bytes(path.read_bytes()[:-5000])


def truncated_header(path, tiny):
    cubestore_model.save(tiny.network, path)
    path.write_bytes(path.read_bytes()[:50])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (truncated_zip, "cannot be read"),
        (truncated_safetensors, "cannot be read"),
        (truncated_header, "cannot be read"),
        (lambda path, _: path.write_bytes(b""), "cannot be read: it ends too early"),
        (lambda path, _: path.write_text("<html>404</html>"), "cannot be read: .*other things"),
        (lambda path, _: torch.save({"state_dict": {}, "epoch": 3}, path), "holds no tensors"),
        (lambda path, _: torch.save([torch.ones(2)], path), "holds no tensors, but nothing"),
        (lambda path, _: torch.save(filled(vit(13)), path), "1 of the 85 of clay-tiny: 84 missing"),
    ],
)
def test_what_holds_no_such_weights_is_refused(tmp_path, tiny, write, message):
    path = tmp_path / "weights.pth"
    write(path, tiny)
    with pytest.raises(WeightsError, match=message) as refused:
        cubestore_model.load_encoder("clay-tiny", weights=path)
    assert str(path) in refused.value.found
    again = pickle.loads(pickle.dumps(refused.value))  # noqa: S301 - made here
    assert str(again) == str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFetchedError, match=r"no file .*absent\.ckpt"):
        cubestore_model.load_encoder("clay-v1.5", weights=tmp_path / "absent.ckpt")


def test_the_checkpoint_of_one_size_is_refused_by_another(tmp_path, tiny):
    torch.save(tiny.network.state_dict(), tmp_path / "tiny.pt")
    with pytest.raises(WeightsError, match=r"of shape \(6144,\), not \(12288,\)"):
        cubestore_model.load_encoder("clay-small", weights=tmp_path / "tiny.pt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": {"width": 12}}, "width"),
        ({"config": {"dim": "12"}}, "of the types of ClayConfig"),
        ({"config": {"dim": 14}}, "multiples of four"),
        ({"compat": "clay-v1.5-published"}, "compat 'clay-v1.5-published' of clay-tiny"),
    ],
)
def test_options_that_a_model_does_not_have_are_named(options, message):
    with pytest.raises(MismatchError, match=message):
        cubestore_model.load_encoder("clay-tiny", **options)

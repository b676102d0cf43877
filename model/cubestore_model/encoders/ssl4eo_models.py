"""The models of SSL4EO-S12: sizes, what they were trained on, where their weights are.

Source: zhu-xlab/SSL4EO-S12, README and pretrain_ssl. All were trained for 100 or 200 epochs on
chips of 224 pixels: Sentinel-2's level 1C divided by 10000 and clipped to 0..1, Sentinel-1's GRD in
decibels, two deviations around the mean stretched to 0..1. Some of the files are torchgeo's copies,
without what belongs to the training; their names end in the first digits of their SHA-256.
"""

from collections.abc import Mapping

from torch import nn

from cubestore import norms
from cubestore.stats.published import DECIBELS
from cubestore_model.encoders.beit import Beit
from cubestore_model.encoders.entry import Entry, Expected
from cubestore_model.encoders.resnet import STRIDE, ResNet, ResNetConfig
from cubestore_model.encoders.transformer import TransformerConfig
from cubestore_model.encoders.vit import VisionTransformer
from cubestore_model.weights import Layout

CHIP = 224

TENTHS_OF_PER_MILLE = 10_000.0
"""The stored integer of a reflectance of 1."""

_L1C = norms.find("ssl4eo-s12-v1", "sentinel-2-l1c").bands
_S1 = norms.find("ssl4eo-s12-v1", "sentinel-1-rtc")


def _optical(bands: tuple[str, ...]) -> tuple[Expected, ...]:
    """Return what is taken of either level; of 2A, on which the models were tried, B10 as zeros."""
    return tuple(_level(sensor, bands) for sensor in ("sentinel-2-l1c", "sentinel-2-l2a"))


def _level(sensor: str, bands: tuple[str, ...]) -> Expected:
    return Expected(
        sensor=sensor,
        bands=bands,
        mean=(0.0,) * len(bands),
        std=(TENTHS_OF_PER_MILLE,) * len(bands),
        limits=(0.0, 1.0),
    )


INPUTS = {
    "": _optical(_L1C),
    "rgb": _optical(("B04", "B03", "B02")),
    "s1": (
        Expected(
            sensor="sentinel-1-rtc",
            bands=_S1.bands,
            mean=tuple(mean - 2 * std for mean, std in zip(_S1.mean, _S1.std, strict=True)),
            std=tuple(4 * std for std in _S1.std),
            units=DECIBELS,
            limits=(0.0, 1.0),
            nodata=0.5,  # the mean
        ),
    ),
}
"""What the models take: all bands of Sentinel-2, three of them, or Sentinel-1."""

LAYOUTS = {
    "moco-resnet": Layout(
        ways=({"module.encoder_q.": ""}, {"": ""}),
        beside=("module.encoder_k.", "module.queue"),
        heads=("fc.",),
    ),
    "moco-vit": Layout(
        ways=({"module.base_encoder.": ""}, {"": ""}),
        beside=("module.momentum_encoder.", "module.predictor."),
        heads=("head.",),
    ),
    "dino": Layout(
        ways=({"module.backbone.": ""}, {"backbone.": ""}, {"": ""}),
        beside=("module.head.", "head."),
        heads=("head.", "fc."),
    ),
    "mae": Layout(heads=("decoder_", "mask_token", "head.")),
    "data2vec": Layout(
        heads=(
            "lm_head.",
            "head.",
            "norm.",
            "mask_token",
            "rel_pos_bias.relative_position_index",
        )
    ),
}
"""How the names are wrapped, by method."""

_TORCHGEO = "https://huggingface.co/torchgeo"
_ZHU = "https://huggingface.co/wangyi111/SSL4EO-S12/resolve/main"
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


def _resnet(layers: int) -> Mapping[str, object]:
    blocks = (2, 2, 2, 2) if layers == 18 else (3, 4, 6, 3)  # noqa: PLR2004 - its name
    return {"blocks": blocks, "bottleneck": layers == 50}  # noqa: PLR2004 - its name


SIZES: Mapping[str, Mapping[str, object]] = {
    "resnet18": _resnet(18),
    "resnet50": _resnet(50),
    "vit-s16": {"dim": 384, "depth": 12, "heads": 6},
    "vit-b16": {"dim": 768, "depth": 12, "heads": 12},
    "vit-l16": {"dim": 1024, "depth": 24, "heads": 16},
    "vit-h14": {"dim": 1280, "depth": 32, "heads": 16, "patch_size": 14},
}
"""What the models' names stand for."""


ARCHITECTURES: Mapping[type[nn.Module], str] = {
    ResNet: "ResNet",
    VisionTransformer: "Vision Transformer",
    Beit: "BEiT",
}


def _entry(name: str, parameters: int, url: str, sha256: str = "") -> Entry:
    """Return the entry of a name: ``method-architecture``, and ``-rgb`` or ``-s1``."""
    method, _, rest = name.partition("-")
    bands = rest.rpartition("-")[2] if rest.endswith(("-rgb", "-s1")) else ""
    size = rest.removesuffix(f"-{bands}") if bands else rest
    expected, residual = INPUTS[bands], size.startswith("resnet")
    kind = ResNetConfig if residual else TransformerConfig
    config = kind(bands=len(expected[0].bands), **SIZES[size])  # type: ignore[arg-type]
    build = ResNet if residual else Beit if method == "data2vec" else VisionTransformer
    layout = method if method != "moco" else "moco-resnet" if residual else "moco-vit"
    return Entry(
        id=f"ssl4eo-{name}",
        title=f"SSL4EO-S12, {method} of {size}",
        build=build,
        fillable=True,
        config=config,
        inputs=expected,
        dimensions=config.dim,
        patch_size=STRIDE if isinstance(config, ResNetConfig) else config.patch_size,
        chip_size=CHIP,
        parameters=parameters,
        pooling="mean" if residual or method == "data2vec" else "cls",
        url=url,
        sha256=sha256,
        layout=LAYOUTS[layout],
        architecture=ARCHITECTURES[build],
        creator="Zhu-Xlab, TUM",
        license="CC-BY-4.0",
        reference="https://arxiv.org/abs/2211.07044",
    )


def _torchgeo(name: str, revision: str, file: str) -> tuple[str, str]:
    """Return the address of one of torchgeo's files, and how its SHA-256 begins."""
    return f"{_TORCHGEO}/{name}/resolve/{revision}/{file}.pth", file.rpartition("-")[2]


SSL4EO = (
    _entry(
        "moco-resnet50",
        23_539_392,
        *_torchgeo(
            "resnet50_sentinel2_all_moco",
            "da4f3c9dbe09272eb902f3b37f46635fa4726879",
            "resnet50_sentinel2_all_moco-df8b932e",
        ),
    ),
    _entry(
        "moco-resnet50-rgb",
        23_508_032,
        *_torchgeo(
            "resnet50_sentinel2_rgb_moco",
            "efd9723b59a88e9dc1420dc1e96afb25b0630a3c",
            "resnet50_sentinel2_rgb_moco-2b57ba8b",
        ),
    ),
    _entry(
        "moco-resnet50-s1",
        23_504_896,
        *_torchgeo(
            "resnet50_sentinel1_all_moco",
            "e79862c667853c10a709bdd77ea8ffbad0e0f1cf",
            "resnet50_sentinel1_all_moco-906e4356",
        ),
    ),
    _entry(
        "moco-resnet18",
        11_207_872,
        *_torchgeo(
            "resnet18_sentinel2_all_moco",
            "5b8cddc9a14f3844350b7f40b85bcd32aed75918",
            "resnet18_sentinel2_all_moco-59bfdff9",
        ),
    ),
    _entry(
        "moco-resnet18-rgb",
        11_176_512,
        *_torchgeo(
            "resnet18_sentinel2_rgb_moco",
            "e1c032e7785fd0625224cdb6699aa138bb304eec",
            "resnet18_sentinel2_rgb_moco-e3a335e3",
        ),
    ),
    _entry(
        "moco-vit-s16",
        22_648_704,
        *_torchgeo(
            "vit_small_patch16_224_sentinel2_all_moco",
            "1cb683f6c14739634cdfaaceb076529adf898c74",
            "vit_small_patch16_224_sentinel2_all_moco-67c9032d",
        ),
    ),
    _entry(
        "dino-resnet50",
        23_539_392,
        *_torchgeo(
            "resnet50_sentinel2_all_dino",
            "d7f14bf5530d70ac69d763e58e77e44dbecfec7c",
            "resnet50_sentinel2_all_dino-d6c330e9",
        ),
    ),
    _entry(
        "dino-vit-s16",
        22_648_704,
        *_torchgeo(
            "vit_small_patch16_224_sentinel2_all_dino",
            "5b41dd418a79de47ac9f5be3e035405a83818a62",
            "vit_small_patch16_224_sentinel2_all_dino-36bcc127",
        ),
    ),
    _entry("mae-vit-s16", 22_648_704, f"{_DRIVE}1hdie-7orFnj5Q1E1C2BudqwQCvMk3Fza"),
    _entry("mae-vit-b16", 87_764_736, f"{_ZHU}/B13_vitb16_mae_ep99.pth"),
    _entry("mae-vit-l16", 305_923_072, f"{_ZHU}/B13_vitl16_mae_ep99.pth"),
    _entry("mae-vit-h14", 633_273_600, f"{_ZHU}/B13_vith14_mae_ep199.pth"),
    _entry("mae-vit-s16-s1", 21_567_360, f"{_ZHU}/B2_vits16_mae_ep99.pth"),
    _entry("mae-vit-b16-s1", 85_602_048, f"{_ZHU}/B2_vitb16_mae_ep99.pth"),
    _entry("mae-vit-l16-s1", 303_039_488, f"{_ZHU}/B2_vitl16_mae_ep99.pth"),
    _entry("mae-vit-h14-s1", 630_513_920, f"{_ZHU}/B2_vith14_mae_ep199.pth"),
    _entry("data2vec-vit-s16", 22_581_288, f"{_DRIVE}1YecuYPAxl1NIzLmsmdbUROjCb5g0t80l"),
)

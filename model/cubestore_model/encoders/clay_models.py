"""The models of Clay: sizes, what they were trained on, where their weights are.

Source: Clay-foundation/model, configs/metadata.yaml and docs/release-notes/specification.md.
Wavelengths are those that the models were trained on, which differ a little from the sensors' own,
and for radar are codes.
"""

import torch

from cubestore import norms
from cubestore_model.encoders.clay import Clay, ClayConfig
from cubestore_model.encoders.entry import Entry, Expected, Told
from cubestore_model.weights import Layout

_MSI = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
_OLI = dict(
    zip(("B4", "B3", "B2", "B5", "B6", "B7"), (0.65, 0.56, 0.48, 0.86, 1.6, 2.2), strict=True)
)
_MODIS = (0.645, 0.858, 0.469, 0.555, 1.24, 1.64, 2.13)

WAVELENGTHS = {
    "sentinel-2-l2a": dict(
        zip(_MSI, (0.493, 0.56, 0.665, 0.704, 0.74, 0.783, 0.842, 0.865, 1.61, 2.19), strict=True)
    ),
    "landsat-c2-l1": _OLI,
    "landsat-c2-l2": _OLI,
    "naip": {"red": 0.65, "green": 0.56, "blue": 0.48, "nir": 0.842},
    "linz": {"red": 0.635, "green": 0.555, "blue": 0.465},
    "sentinel-1-rtc": {"vv": 3.5, "vh": 4.0},
    "modis-09a1": {f"sur_refl_b0{k}": wave for k, wave in enumerate(_MODIS, start=1)},
}
"""Micrometres, of each sensor's bands; of radar they are codes."""

GSD = {"modis-09a1": 500.0}
"""Metres that pixels were said to have, where they have others: MODIS' 463.3."""

TINY = ClayConfig(
    dim=192,
    depth=6,
    heads=4,
    dim_head=48,
    mlp_ratio=2,
    decoder_dim=96,
    decoder_depth=3,
    decoder_heads=2,
    decoder_dim_head=48,
    decoder_mlp_ratio=2,
)
SMALL = ClayConfig(dim=384, depth=6, heads=6, mlp_ratio=2, decoder_dim=192, decoder_mlp_ratio=2)
BASE = ClayConfig(dim=768, depth=12, heads=12, norm_pix_loss=True)
LARGE = ClayConfig(dim=1024, depth=24, heads=16)

LAYOUT = Layout(
    ways=(
        {"model.encoder.": "encoder.", "model.decoder.": "decoder."},
        {"": ""},
        {"": "encoder."},
    ),
    beside=("model.teacher.", "model.proj.", "model.mrl."),
    optional=("decoder",),
)

PUBLISHED = "clay-v1.5-published"
"""The embeddings that were published of v1.5: their writer passed longitude for latitude."""


def swapped(told: Told) -> Told:
    """Return what is told of chips with longitude for latitude, and latitude for longitude."""
    latlon = told.get("latlon")
    return told if latlon is None else {**told, "latlon": torch.as_tensor(latlon).roll(2, dims=-1)}


def _inputs(version: str) -> tuple[Expected, ...]:
    return tuple(_expected(version, sensor) for sensor in norms.known()[version])


def _expected(version: str, sensor: str) -> Expected:
    row = norms.find(version, sensor)
    return Expected(
        sensor=sensor,
        bands=row.bands,
        mean=row.mean,
        std=row.std,
        units=row.units,
        wavelengths=tuple(WAVELENGTHS[sensor][band] for band in row.bands),
        gsd=GSD.get(sensor),
    )


def _entry(name: str, config: ClayConfig, parameters: int, **fields: object) -> Entry:
    version = "clay-v1.0" if config is BASE else "clay-v1.5"
    told = {
        "title": f"Clay {name.removeprefix('clay-')}",
        "chip_size": 224 if config is BASE else 256,
        **fields,
    }
    return Entry(
        id=name,
        build=Clay,
        fillable=True,
        config=config,
        inputs=_inputs(version),
        bands="some",
        noon=True,
        dimensions=config.dim,
        patch_size=config.patch_size,
        parameters=parameters,
        layout=LAYOUT,
        architecture="Vision Transformer",
        creator="Clay Foundation",
        license="Apache-2.0",
        reference="https://github.com/Clay-foundation/model",
        **told,  # type: ignore[arg-type]
    )


CLAY = (
    _entry(
        "clay-v1.5",
        LARGE,
        311_442_944,
        url="https://huggingface.co/made-with-clay/Clay/resolve/main/v1.5/clay-v1.5.ckpt",
        compats={PUBLISHED: swapped},
    ),
    _entry(
        "clay-v1",
        BASE,
        92_102_144,
        url="https://huggingface.co/made-with-clay/Clay-legacy/resolve/main/v1/clay-v1-base.ckpt",
    ),
    _entry("clay-small", SMALL, 10_957_568, title="Clay's small size, untrained"),
    _entry("clay-tiny", TINY, 4_030_592, title="Clay's tiny size, untrained"),
)

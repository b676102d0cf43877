"""The registry: what is told of each encoder, and how a user or a package adds one."""

import re
import sys

import pytest
import torch

import cubestore
import cubestore_model
from cubestore.errors import MismatchError
from cubestore_model import Encoded, Entry, Expected, register_encoder
from cubestore_model.encoders import registry
from cubestore_model.errors import UnknownEncoderError

OURS = registry.OURS


class Brightness(torch.nn.Module):
    def forward(self, pixels, **_):
        return Encoded(pixels.mean((2, 3)), pixels.flatten(2).mT)


def brightness(**fields):
    told = {"id": "brightness", "title": "Mean of each band", "dimensions": 2}
    told |= {"patch_size": 1, "chip_size": 256, "build": lambda _: Brightness()}
    return Entry(**told | fields)


@pytest.fixture
def registered():
    yield register_encoder
    registry._registered.clear()


@pytest.mark.parametrize("entry", OURS, ids=[entry.id for entry in OURS])
def test_an_entry_tells_all_that_a_user_has_to_know(entry):
    assert entry.title
    assert entry.architecture
    assert entry.creator
    assert entry.license
    assert entry.reference.startswith("https://")
    assert entry.inputs
    for expected in entry.inputs:
        known = {band.name for band in cubestore.sensor(expected.sensor).every_band}
        assert set(expected.bands) - known <= {"B10"}  # level 2A has none: it is given as zeros
    if entry.url:
        assert entry.url.startswith("https://")
        assert entry.parameters
    assert re.fullmatch("[0-9a-f]{0,64}", entry.sha256)


def test_a_user_adds_an_encoder_in_ten_lines(registered):
    registered(brightness())
    encoder = cubestore_model.load_encoder("brightness")
    out = encoder(torch.arange(8.0).reshape(1, 2, 2, 2), gsd=10.0)
    assert out.embedding.tolist() == [[1.5, 5.5]]
    assert out.patches.shape == (1, 4, 2)
    assert encoder.dimensions == 2
    assert encoder.loss_metric == ""
    with pytest.raises(MismatchError, match="A loss of brightness"):
        encoder.loss(torch.zeros(1, 2, 2, 2))


def test_an_encoder_of_a_user_is_given_normalised_pixels(registered):
    row = Expected(sensor="naip", bands=("red", "nir"), mean=(100, 50), std=(10, 5))
    registered(brightness(inputs=(row,)))
    encoder = cubestore_model.load_encoder("brightness")
    pixels = torch.tensor([50, 200, 110], dtype=torch.uint8)[None, :, None, None]
    batch = {"sensor": "naip", "bands": ("nir", "blue", "red"), "pixels": pixels, "gsd": 1.0}
    batch |= {
        "time": torch.zeros(1, 4),
        "latlon": torch.zeros(1, 4),
        "wavelengths": [0.8, 0.4, 0.6],
    }
    out = encoder(**cubestore_model.inputs(encoder, batch))
    assert out.embedding.tolist() == [[1.0, 0.0]]


def test_an_installed_package_adds_an_encoder(tmp_path, monkeypatch):
    (tmp_path / "glow.py").write_text(
        "from cubestore_model import Entry\n"
        "def entry():\n"
        "    return Entry(id='glow', title='Glow', dimensions=1, patch_size=1, chip_size=1,\n"
        "                 build=lambda config: None)\n"
        "broken = 3.0.is_integer\n"
    )
    about = tmp_path / "glow-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: glow\nVersion: 1.0\n")
    points = about / "entry_points.txt"
    points.write_text("[cubestore.encoders]\nglow = glow:entry\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cubestore_model.encoders()["glow"].title == "Glow"
    points.write_text("[cubestore.encoders]\nglow = glow:broken\n")
    with pytest.raises(MismatchError, match="glow = glow:broken gives a bool"):
        cubestore_model.encoders()
    sys.modules.pop("glow")


def test_the_names_of_ours_are_taken():
    with pytest.raises(MismatchError, match=r"'clay-v1\.5' is there already"):
        register_encoder(brightness(id="clay-v1.5"))


def test_an_unknown_encoder_is_named_with_those_that_are_known():
    with pytest.raises(UnknownEncoderError, match=r"'clay-v2'.*clay-v1\.5.*register_encoder"):
        cubestore_model.load_encoder("clay-v2")


@pytest.mark.parametrize(
    "fields",
    [
        {"mean": (1.0,)},  # fewer than bands
        {"std": (1.0, 0.0)},  # divided by
        {"wavelengths": (0.6,)},
    ],
)
def test_numbers_that_do_not_go_with_the_bands_are_refused(fields):
    told = {"bands": ("red", "nir"), "mean": (0.0, 0.0), "std": (1.0, 1.0)} | fields
    with pytest.raises(MismatchError, match="naip: 2 bands"):
        Expected(sensor="naip", **told)

"""`cubestore models`, in this process: what it lists, and what it tells of one."""

import json
import sys

import pytest

from cubestore_pipelines.cli import main


def test_it_lists_every_encoder_with_size_weights_and_licence(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["clay-v1.5"][-1] == "Apache-2.0"
    assert "311442944" in rows["clay-v1.5"]
    assert rows["ssl4eo-dino-vit-s16"][-1] == "CC-BY-4.0"
    assert "any" in rows["rcf"]


def test_one_is_told_with_its_bands_and_where_its_weights_are_to_lie(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("CUBESTORE_WEIGHTS", str(tmp_path))
    assert main(["models", "clay-v1.5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["url"].endswith("made-with-clay/Clay/resolve/main/v1.5/clay-v1.5.ckpt")
    assert told["kept_at"] == str(tmp_path / "clay-v1.5.ckpt")
    assert told["weights"] == "fetched at first"
    assert told["architecture"] == "Vision Transformer"
    radar = [row for row in told["inputs"] if row["sensor"] == "sentinel-1-rtc"]
    assert [(row["band"], row["units"], row["wavelength_um"]) for row in radar] == [
        ("vv", "dB", 3.5),
        ("vh", "dB", 4.0),
    ]
    (tmp_path / "clay-v1.5.ckpt").touch()
    assert main(["models", "clay-v1.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["weights", "here"] in [line.split() for line in lines]


@pytest.mark.parametrize(("model", "status"), [("rcf", 0), ("clay-v9", 1)])
def test_an_unknown_one_is_an_error_in_one_line(capsys, model, status):
    assert main(["models", model]) == status
    assert ("clay-v9" in capsys.readouterr().err) == bool(status)


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cubestore_model.encoders", None)  # as if it were not there
    assert main(["models"]) == 1
    assert "pip install 'cubestore[all]'" in capsys.readouterr().err

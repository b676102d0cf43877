"""`cubestore train`: killed and run again, by several processes, and its weights in `embed`."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import safetensors.torch
import torch

import cubestore_model
from tests.model import learning

pytestmark = pytest.mark.usefixtures("one_thread")  # as many as the processes that are compared

PROGRAM = "from cubestore_pipelines.cli import main; raise SystemExit(main())"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("train")
    learning.store(made / "store", months=(4,))
    small = cubestore_model.untrained("clay-tiny", config=learning.SIZES)
    cubestore_model.save(small.network, made / "small.safetensors")
    return made


def command(folder, out, steps, batch_size=4):
    words = f"train {folder / 'store'} --init {folder / 'small.safetensors'} --out {out}"
    options = f"--steps {steps} --chip-size 32 --batch-size {batch_size} --checkpoint-every 10"
    return [*words.split(), *options.split(), "--device", "cpu"]


def started(arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(out):
    file = out / "metrics.csv"
    return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []


def test_a_training_that_is_killed_and_run_again_ends_as_if_nothing_had_been(
    program, folder, tmp_path
):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = started(command(folder, killed, 40))
    os.setpriority(os.PRIO_PROCESS, process.pid, 19)  # on a busy machine too, it is seen in time
    deadline = time.monotonic() + 120
    while len(lines(killed)) < 15 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    assert not (killed / "weights.safetensors").exists()
    told = json.loads(program(*command(folder, killed, 40), "--json").out)
    assert 0 < told["steps_now"] <= 30
    program(*command(folder, whole, 40))
    made = [(one / "weights.safetensors").read_bytes() for one in (killed, whole)]
    assert made[0] == made[1]
    losses = [[line["loss"] for line in lines(one)] for one in (killed, whole)]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 40

    changed = program(*command(folder, whole, 41), check=1).err
    assert "steps 40, which is now to have steps 41" in changed
    embed = ["embed", folder / "store", "--model", "clay-tiny", "--chip-size", "64", "--json"]
    filled = json.loads(program(*embed, "--weights", whole / "weights.safetensors").out)
    assert filled["slots"][0]["chips"] > 100


def test_two_processes_learn_from_a_batch_what_one_learns_from_both(program, folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [started(command(folder, tmp_path / "two", 1), RANK=f"{n}", **group) for n in range(2)]
    said = [process.communicate(timeout=200)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said
    program(*command(folder, tmp_path / "one", 1, batch_size=8))
    two, one = (
        safetensors.torch.load_file(tmp_path / n / "checkpoints/step-00000001/state.safetensors")
        for n in ("two", "one")
    )
    assert two.keys() == one.keys()
    for name in one:  # the gradient's mean is a part of the gradient itself
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-7)
    assert float(lines(tmp_path / "two")[0]["loss"]) == pytest.approx(
        float(lines(tmp_path / "one")[0]["loss"]), rel=1e-5
    )


def test_sizes_are_told_once(program, folder, tmp_path):
    told = tmp_path / "tiny.json"
    told.write_text(json.dumps(learning.SIZES))
    wrong = ["train", folder / "store", "--out", tmp_path / "out"]
    for config in ('{"width": 3}', "{dim: 3}", "nowhere.json", "[3]"):
        assert "Remedy" in program(*wrong, "--config", config, check=1).err
    words = f"train {folder / 'store'} --config {told} --out {tmp_path / 'out'} --steps 1"
    program(*words.split(), "--chip-size", "32", "--batch-size", "2", "--device", "cpu")
    weights = tmp_path / "out" / "weights.safetensors"
    assert cubestore_model.load_encoder("clay-tiny", weights=weights).config.dim == 64


def test_wrong_choices_are_one_line(program, folder, tmp_path):
    wrong = [*command(folder, tmp_path / "out", 5), "--mask-ratio", "75"]
    assert "for 20 % give 0.2" in program(*wrong, check=1).err
    assert not (tmp_path / "out").exists()

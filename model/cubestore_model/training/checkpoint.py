"""Where a training is kept, so that it goes on after it was killed at any moment.

    DIR/training.json                                    what it is
    DIR/metrics.csv                                      a line for each step
    DIR/checkpoints/step-00001000/weights.safetensors    a model that can be used
    DIR/checkpoints/step-00001000/state.safetensors      what the optimizer knew then
    DIR/weights.safetensors                              the model at the end

A checkpoint is a folder that appears whole, by a rename behind its last sync. Nothing in it is
code.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cubestore import disk
from cubestore.errors import DamagedError, MismatchError
from cubestore.records import dump
from cubestore_model.encoder import Encoder
from cubestore_model.precision import recalled
from cubestore_model.training.options import differing

KEPT = 2
"""Checkpoints that are kept: the last, and one before it."""

POSITION = "position"
"""The entry of safetensors' metadata that says which batch is next, as JSON."""

WEIGHTS, STATE, METRICS = "weights.safetensors", "state.safetensors", "metrics.csv"
STEP = "step-"


@dataclass(frozen=True, slots=True)
class Saved:
    """One checkpoint."""

    path: Path

    @property
    def step(self) -> int:
        """How many steps were done."""
        return int(self.path.name.removeprefix(STEP))

    def load(self, network: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Fill a network; return what the optimizer knew, and which batch is next.

        Raises:
            DamagedError: a file of it cannot be read.
        """
        try:
            network.load_state_dict(safetensors.torch.load_file(self.path / WEIGHTS))
            with safe_open(self.path / STATE, framework="pt") as file:
                position = json.loads(file.metadata()[POSITION])
                return {name: file.get_tensor(name) for name in file.keys()}, position  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, RuntimeError, ValueError, KeyError) as error:
            raise DamagedError(
                f"The checkpoint {self.path} cannot be read: {str(error).partition(chr(10))[0]}",
                expected="files as they were written",
                remedy="remove its folder: the training goes on from the one before",
            ) from error


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of a training."""

    path: Path

    @property
    def weights(self) -> Path:
        """The file of the model at the end."""
        return self.path / WEIGHTS

    @property
    def metrics(self) -> Path:
        """The file with a line for each step."""
        return self.path / METRICS

    def begin(self, told: Mapping[str, Any]) -> None:
        """Say what is trained here, or see that it is the same.

        Raises:
            MismatchError: another training lies here.
        """
        file = self.path / "training.json"
        if file.exists():
            _refuse_others(file, told)
            return
        disk.make_directory(self.path / "checkpoints")
        disk.replace(file, dump(told))
        disk.sync([self.path, self.path.parent])

    def saved(self) -> list[Saved]:
        """Return the checkpoints, the newest last."""
        return [Saved(path) for path in sorted((self.path / "checkpoints").glob(f"{STEP}*"))]

    def save(
        self, step: int, encoder: Encoder, state: dict[str, Tensor], position: Mapping[str, Any]
    ) -> None:
        """Keep a checkpoint, and let older ones go.

        Args:
            step: how many were done.
            encoder: as it is now.
            state: what the optimizer knows.
            position: which batch is next.
        """
        target = self.path / "checkpoints" / f"{STEP}{step:08d}"
        if target.exists():
            return
        aside = target.with_name(f".{target.name}{disk.PARTIAL}")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        metadata = {POSITION: json.dumps(position)}
        disk.write_new(aside / WEIGHTS, encoder.serialised())
        disk.write_new(aside / STATE, safetensors.torch.save(state, metadata=metadata))
        disk.sync([aside])
        aside.rename(target)
        disk.sync([target.parent])
        for old in self.saved()[:-KEPT]:
            shutil.rmtree(old.path)

    def finish(self, encoder: Encoder) -> None:
        """Write the model that came of it."""
        if not self.weights.exists():
            disk.replace(self.weights, encoder.serialised())
            disk.sync([self.path])


class Metrics:
    """A line for each step, of which none comes twice however often the training is killed."""

    def __init__(self, path: Path, columns: tuple[str, ...], done: int) -> None:
        """Keep the lines of the steps that are done, and no others."""
        self._columns = columns
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        kept = lines[1 : done + 1]
        disk.replace(path, "".join([f"{','.join(columns)}\n", *kept]).encode())
        self._file = path.open("a")

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a line."""
        cells = (row.get(name) for name in self._columns)
        self._file.write(",".join("" if one is None else f"{one}" for one in cells) + "\n")
        self._file.flush()

    def sync(self) -> None:
        """Make the lines durable: no checkpoint may be ahead of them."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _refuse_others(file: Path, told: Mapping[str, Any]) -> None:
    found = recalled(json.loads(file.read_bytes()))
    odd = differing(found, told)
    if not odd:
        return
    show: Callable[[Mapping[str, Any]], str] = lambda of: ", ".join(  # noqa: E731
        f"{name} {of.get(name)}" for name in odd
    )
    raise MismatchError(
        f"{file.parent} holds a training with {show(found)}, which is now to have {show(told)}",
        expected="the same choices, to go on with it",
        remedy="take those, or another folder, begun with its weights.safetensors (--init)",
    )

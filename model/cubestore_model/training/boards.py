"""The steps of a training for TensorBoard, beside metrics.csv: DIR/tensorboard."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cubestore.errors import MismatchError

Board = Callable[[int, Mapping[str, Any]], None]
"""Takes a step's number, and what is told of it."""


def refuse_absent() -> None:
    """Refuse to write for TensorBoard where it is not installed.

    Raises:
        MismatchError: it is not.
    """
    if find_spec("tensorboard") is None:
        raise MismatchError(
            "A training for TensorBoard, which is not installed",
            expected="the package tensorboard",
            remedy="pip install tensorboard, or leave it out: metrics.csv holds the same numbers",
        )


@contextlib.contextmanager
def board(folder: Path, done: int, *, wanted: bool) -> Iterator[Board]:
    """Write steps as they are told; where that is not wanted, nothing.

    Args:
        folder: of the training.
        done: steps that are done; later ones that a killed training left are not shown.
        wanted: whether anything is written.
    """
    if not wanted:
        yield lambda _number, _row: None
        return
    from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - an option

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)
    with contextlib.closing(writer):
        yield lambda number, row: _tell(writer, number, row)


def _tell(writer: Any, number: int, row: Mapping[str, Any]) -> None:  # noqa: ANN401 - torch's own
    for name, value in row.items():
        if name != "step":
            writer.add_scalar(name, value, number)

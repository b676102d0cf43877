"""What finds neighbours: the engine that is named, or the best for a store on this machine.

A GPU looks at every vector, which it has to be sent first: that pays where they are many. Where no
driver of one is loaded torch is not imported, which takes seconds.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cubestore import layout
from cubestore.chips import ChipGrid
from cubestore.cube import Cube
from cubestore.embeddings import Embedding, listed
from cubestore.similarity.nearest import Engine
from cubestore.similarity.sources import Place, cubes_with, opened

MANY = 1_000_000
"""Vectors from which on a GPU is asked: fewer are found by their signs in some milliseconds."""

DRIVERS = tuple(map(Path, ("/dev/nvidiactl", "/dev/dxg")))
"""What is there where a driver of a GPU is loaded, the second on Windows' Linux."""


def engine_called(
    name: Literal["auto", "signs", "faiss", "gpu"], store: Place, model: str = ""
) -> Engine:
    """Return what finds neighbours, as `cubestore.nearest` takes it.

    Args:
        name: ``auto``: a GPU where there is one and the vectors are many, else their signs.
        store: where is looked.
        model: whose vectors.

    Raises:
        QueryError: a GPU is wanted, and none is there.
        MismatchError: no embeddings of that model.
    """
    if name == "auto":
        name = "gpu" if gpu_there() and vectors_of(store, model) >= MANY else "signs"
    if name != "gpu":
        return name
    from cubestore_model import Scan  # noqa: PLC0415 - torch is for who needs it

    return Scan()


def gpu_there(drivers: tuple[Path, ...] = DRIVERS) -> bool:
    """Whether a GPU can be used; asks torch only where a driver is loaded."""
    if find_spec("torch") is None or not any(path.exists() for path in drivers):
        return False
    import torch  # noqa: PLC0415 - takes seconds

    return torch.cuda.is_available()


def vectors_of(store: Place, model: str) -> int:
    """Return how many vectors there are of a model at the most, without reading any."""
    return sum(_chips(*source) for source in cubes_with(opened(store), model=model))


def _chips(cube: Cube, embedding: Embedding) -> int:
    """Return the chips of all slots of a cube that are complete."""
    held = next(one for one in listed(cube) if one.embedding == embedding)
    grid = ChipGrid(shape=layout.geobox(cube.sensor, cube.tile).shape.yx, size=embedding.chip_size)
    return len(held.slots) * len(grid.rows) * len(grid.columns)

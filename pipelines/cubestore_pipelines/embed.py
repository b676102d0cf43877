"""Embeddings on a cluster: a task a cube, each with an encoder of its own."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from distributed import as_completed

from cubestore_model import Encoder, Filled, Options, load_encoder
from cubestore_model import embed as here
from cubestore_model.embed import cubes
from cubestore_pipelines import cluster


def embed(  # noqa: PLR0913 - the options of the command line
    store: str | os.PathLike[str],
    model: str = "rcf",
    *,
    weights: str | os.PathLike[str] | None = None,
    compat: str = "",
    sensor: Sequence[str] = (),
    tile: Sequence[str] = (),
    options: Options | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> Iterator[Filled]:
    """Give every slot of a store that lacks them its vectors; yield each when it is committed.

    Args:
        store: its path, on a disk that the workers see too.
        model: an encoder's id.
        weights: a file, which the workers see too; None: those that were published.
        compat: of :func:`cubestore_model.load_encoder`.
        sensor: only these; (): those that the model was trained on.
        tile: only these; (): all.
        options: how.
        scheduler: address of a dask scheduler; with neither that nor workers, in this process.
        workers: processes of this machine, a cube each at a time.

    Raises:
        CubestoreError: whatever a cube refuses; the others are done first.
    """
    encoder = load_encoder(model, weights=weights, compat=compat)
    told = options or Options()
    if scheduler is None and workers is None:
        yield from here(store, encoder, sensor=sensor, tile=tile, options=told)
        return
    files = None if weights is None else str(Path(weights).absolute())
    found = [
        (str(Path(one.store).absolute()), one.tile.id, one.sensor.id)
        for one in cubes(store, encoder, sensor, tile)
    ]
    refused: list[BaseException] = []
    with cluster.client(scheduler, workers) as client:
        tasks = [client.submit(_cube, *one, model, files, compat, told) for one in found]
        for task in as_completed(tasks):
            if (error := task.exception()) is not None:
                refused.append(error)
                continue
            yield from task.result()
    if refused:
        raise refused[0]


def _cube(
    store: str,
    tile: str,
    sensor: str,
    model: str,
    weights: str | None,
    compat: str,
    options: Options,
) -> list[Filled]:
    """Embed one cube, in a worker."""
    encoder: Encoder = load_encoder(model, weights=weights, compat=compat)
    return list(here(store, encoder, sensor=[sensor], tile=[tile], options=options))

"""Embeddings on a cluster: a task a cube or patch set, each with an encoder of its own."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from distributed import as_completed

from cubestore.errors import MismatchError
from cubestore_model import Encoder, Filled, FilledPatches, Options, embed_patches, load_encoder
from cubestore_model import embed as here
from cubestore_model.embed import cubes
from cubestore_model.embed_patches import sets
from cubestore_pipelines import cluster


def embed(  # noqa: PLR0913 - the options of the command line
    store: str | os.PathLike[str],
    model: str = "rcf",
    *,
    weights: str | os.PathLike[str] | None = None,
    compat: str = "",
    name: str = "",
    sensor: Sequence[str] = (),
    tile: Sequence[str] = (),
    patches: Sequence[str] = (),
    options: Options | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
) -> Iterator[Filled | FilledPatches]:
    """Give every slot, or patch, of a store that lacks them its vectors; yield what is committed.

    Args:
        store: its path, on a disk that the workers see too.
        model: an encoder's id.
        weights: a file, which the workers see too; None: those that were published.
        compat: of :func:`cubestore_model.load_encoder`.
        name: of the same: an id of their own for these vectors.
        sensor: only these; (): those that the model was trained on.
        tile: only these; (): all.
        patches: names of patch sets to embed instead of cubes; ``all``: those that the model takes.
        options: how.
        scheduler: address of a dask scheduler; with neither that nor workers, in this process.
        workers: processes of this machine, a cube or a patch set each at a time.

    Raises:
        CubestoreError: whatever a cube or a set refuses; the others are done first.
    """
    _refuse_both(tile, patches)
    encoder = load_encoder(model, weights=weights, compat=compat, name=name)
    told = options or Options()
    if scheduler is None and workers is None:
        yield from _every(store, encoder, sensor, tile, patches, told)
        return
    files = None if weights is None else str(Path(weights).absolute())
    found = _parts(str(Path(store).absolute()), encoder, sensor, tile, patches)
    refused: list[BaseException] = []
    with cluster.client(scheduler, workers) as client:
        tasks = [client.submit(_part, *one, model, files, (compat, name), told) for one in found]
        for task in as_completed(tasks):
            if (error := task.exception()) is not None:
                refused.append(error)
                continue
            yield from task.result()
    if refused:
        raise refused[0]


Part = tuple[str, list[str], list[str], list[str]]
"""What a task embeds: the store, and a sensor with a tile or a patch set."""


def _parts(
    store: str,
    encoder: Encoder,
    sensor: Sequence[str],
    tile: Sequence[str],
    patches: Sequence[str],
) -> list[Part]:
    """Return what there is to do, cut along what one process writes."""
    if patches:
        return [
            (store, list(sensor), [], [one.name]) for one in sets(store, encoder, patches, sensor)
        ]
    return [(store, [o.sensor.id], [o.tile.id], []) for o in cubes(store, encoder, sensor, tile)]


def _every(
    store: str | os.PathLike[str],
    encoder: Encoder,
    sensor: Sequence[str],
    tile: Sequence[str],
    patches: Sequence[str],
    options: Options,
) -> Iterator[Filled | FilledPatches]:
    """Embed cubes, or the patch sets that are named, one after the other."""
    if patches:
        yield from embed_patches(store, encoder, patches=patches, sensor=sensor, options=options)
    else:
        yield from here(store, encoder, sensor=sensor, tile=tile, options=options)


def _part(
    store: str,
    sensor: list[str],
    tile: list[str],
    patches: list[str],
    model: str,
    weights: str | None,
    called: tuple[str, str],
    options: Options,
) -> list[Filled | FilledPatches]:
    """Embed one cube or patch set, in a worker."""
    compat, name = called
    encoder: Encoder = load_encoder(model, weights=weights, compat=compat, name=name)
    return list(_every(store, encoder, sensor, tile, patches, options))


def _refuse_both(tile: Sequence[str], patches: Sequence[str]) -> None:
    if tile and patches:
        raise MismatchError(
            f"Tiles {', '.join(tile)} and patch sets {', '.join(patches)}",
            expected="one or the other: patch sets lie on no tile",
            remedy="leave out --tile or --patches, and run it once for each",
        )

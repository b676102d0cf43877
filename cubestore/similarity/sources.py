"""Which cubes have the embeddings of a model, and whether theirs can be compared."""

import os
from collections.abc import Iterable, Sequence

from cubestore import grids
from cubestore.cube import Cube
from cubestore.embeddings.definition import Embedding, variable_name
from cubestore.errors import MismatchError, QueryError
from cubestore.index.selection import Words, words_of
from cubestore.sensors import sensor as sensor_of
from cubestore.similarity.vectors import listed
from cubestore.store import Store, open_store

Place = Store | str | os.PathLike[str]
Source = tuple[Cube, Embedding]


def opened(store: Place) -> Store:
    """Return a store, whether it is one or the path or address of one."""
    return store if isinstance(store, Store) else open_store(store)


def cubes_with(
    store: Store, *, model: str = "", sensor: Words | None = None, tile: Words | None = None
) -> list[Source]:
    """Return the cubes that have embeddings of a model, or any, each with the embedding.

    Args:
        store: where to look.
        model: the model's id, or the variable; "": every one.
        sensor: only cubes of these; None: all.
        tile: only cubes of these.

    Raises:
        MismatchError: there are none.
    """
    cubes = [store.cube(*one) for one in _chosen(store.cubes(), sensor, tile)]
    every = [(cube, embedding) for cube in cubes for embedding in listed(cube)]
    wanted = {model, variable_name(model)} if model else {e.variable for _, e in every}
    found = [(cube, embedding) for cube, embedding in every if embedding.variable in wanted]
    if not found:
        there = ", ".join(sorted({embedding.model for _, embedding in every}))
        raise MismatchError(
            f"{store.path} has no embeddings{' of ' * bool(model)}{model}",
            expected=f"those of {there}" if there else "cubes with embeddings",
            remedy="compute them with `cubestore embed`, or name another model, sensor or tile",
        )
    return found


def of_one_model(found: Sequence[Source]) -> str:
    """Return the variable of the only model.

    Raises:
        QueryError: there are several.
    """
    models = {embedding.variable: embedding.model for _, embedding in found}
    if len(models) > 1:
        raise QueryError(
            f"Embeddings of {', '.join(sorted(models.values()))}",
            expected="one model in a question",
            remedy="give model",
        )
    return next(iter(models))


def refuse_other_sets(found: Iterable[Source]) -> None:
    """Refuse vectors of one model that lie in different spaces.

    Raises:
        MismatchError: other weights, pooling or dimensions; for one sensor another preprocessing.
    """
    first: dict[str, tuple[Cube, Embedding]] = {}
    for cube, embedding in found:
        for key, names in (("", _SPACE), (cube.sensor.id, _WAY)):
            before, other = first.setdefault(key, (cube, embedding))
            differs = [n for n in names if getattr(embedding, n) != getattr(other, n)]
            if differs:
                raise MismatchError(
                    f"{embedding.model} of {cube.tile.id} {cube.sensor.id} and of {before.tile.id} "
                    f"{before.sensor.id} differ in {', '.join(differs)}",
                    expected="one set of vectors: what differs cannot be compared",
                    remedy="name one tile or sensor, or embed again under one model id",
                )


_SPACE = ("weights_sha256", "pooling", "dimensions")
_WAY = ("preprocessing", "chip_size")


def _chosen(
    cubes: Sequence[tuple[str, str]], sensor: Words | None, tile: Words | None
) -> list[tuple[str, str]]:
    sensors = None if sensor is None else {sensor_of(one).id for one in words_of(sensor)}
    tiles = None if tile is None else {grids.tile(one).id for one in words_of(tile)}
    cubes = [one for one in cubes if tiles is None or one[0] in tiles]
    return [one for one in cubes if sensors is None or one[1] in sensors]

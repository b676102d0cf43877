"""The verbs of the package: what the command line does, called with its options as keywords."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cubestore_pipelines import planfile
from cubestore_pipelines.build import Report
from cubestore_pipelines.build import build as _build
from cubestore_pipelines.choices import choices
from cubestore_pipelines.items import Item
from cubestore_pipelines.plan import Plan
from cubestore_pipelines.plan import find as _find
from cubestore_pipelines.plan import plan as _plan
from cubestore_pipelines.recipes.run import Done, Options
from cubestore_pipelines.recipes.run import run as _run


def search(**options: Any) -> list[Item]:  # noqa: ANN401 - those of choices
    """Return the items that a plan would choose from, by time.

    Args:
        options: see :func:`cubestore_pipelines.choices`.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
    """
    return _find(choices(**options))


def plan(store: str | Path, **options: Any) -> Plan:  # noqa: ANN401 - those of choices
    """Return what a build would do: scenes, slots, shards, and what was refused.

    Args:
        store: path of the store; it need not be there yet.
        options: see :func:`cubestore_pipelines.choices`.

    Raises:
        CatalogError: the catalogue cannot be searched.
        NothingFoundError: nothing matches.
        PlanError: choices that contradict each other.
    """
    return _plan(store, choices(**options))


def build(
    store: str | Path,
    *,
    plan: Plan | str | Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    **options: Any,  # noqa: ANN401 - those of choices
) -> Report:
    """Build or extend cubes; what is there already is left as it is.

    Args:
        store: path of the store; made where it is not there.
        plan: a plan, or the file of one, instead of options.
        scheduler: address of a dask scheduler; None: processes of this machine.
        workers: how many of them; None: one a processor.
        options: see :func:`cubestore_pipelines.choices`.

    Raises:
        LockedError: another build holds one of the cubes; says who.
        NotWritableError: the disk is full or read-only; what was committed stays.
    """
    made = _plan(store, choices(**options)) if plan is None else plan
    made = made if isinstance(made, Plan) else planfile.load(made)
    return _build(store, made, scheduler=scheduler, workers=workers)


def run(recipe: str | Path, store: str | Path, **options: Any) -> Iterator[Done]:  # noqa: ANN401 - those of Options
    """Carry out a recipe, and yield each step when it is done.

    Args:
        recipe: the name of one that comes with the program, or a YAML file.
        store: path of the store; made where it is not there.
        options: see :class:`cubestore_pipelines.recipes.run.Options`.

    Raises:
        RecipeError: the recipe cannot be understood, or lacks a file; nothing is done then.
        CubestoreError: whatever a step refuses; what was done before stays.
    """
    return _run(recipe, store, Options(**options))

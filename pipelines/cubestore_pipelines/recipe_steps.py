"""What the steps of a recipe do: a verb's name, its function, and the options that it takes.

A verb that is new is a function here, and its row in `VERBS`.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, get_args, get_origin

from distributed import Client

import cubestore
from cubestore import layout
from cubestore.chips import CHIP_SIZE
from cubestore.index import SplitRule
from cubestore.stats.survey import measured
from cubestore.stats.survey import stats as pooled
from cubestore_pipelines import place
from cubestore_pipelines.benchmarks.clay_embeddings import import_clay_embeddings
from cubestore_pipelines.benchmarks.clay_embeddings.importing import MODEL
from cubestore_pipelines.benchmarks.imported import Imported
from cubestore_pipelines.build import Watcher
from cubestore_pipelines.build import build as carry_out
from cubestore_pipelines.choices import Choices, File, Words, choices, words
from cubestore_pipelines.coverage import shard_grid
from cubestore_pipelines.errors import NothingFoundError, RecipeError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.plan import CubePlan, Plan
from cubestore_pipelines.plan import plan as make_plan
from cubestore_pipelines.recipe import Step

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the steps of a run share."""

    store: Path
    start: Callable[[], Client]
    """Returns the workers of all builds."""

    watcher: Watcher | None = None
    plan_only: bool = False
    limit: int | None = None
    """Tiles or places of a step, and acquisitions of a sensor on a tile, at most."""

    catalogs: Mapping[str, str] = field(default_factory=dict)
    """Where builds search instead: of a provider, or under "" of all. An address, or the file of a
    profile that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a step."""

    facts: Facts
    failed: int = 0
    """How much could not be used, or found nothing."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a step does, and the options that it takes."""

    function: Callable[..., Result]
    takes: Mapping[str, Any]
    """Name -> type."""

    @classmethod
    def of(cls, function: Callable[..., Result], *more: Callable[..., Any]) -> "Verb":
        """Return a verb that takes the keywords of its function, and those of ``more``.

        Where its file is to lie is told by the run: ``output`` is no option of a step.
        """
        told = [p for f in (function, *more) for p in inspect.signature(f).parameters.values()]
        named = {p.name: p.annotation for p in told if p.kind is inspect.Parameter.KEYWORD_ONLY}
        named.pop("output", None)
        return cls(function, named)

    def options(self, given: Facts, where: str) -> dict[str, Any]:
        """Return options as the function takes them.

        Raises:
            RecipeError: options that it does not have, or values of another type.
        """
        made = {}
        for name, value in given.items():
            try:
                made[name] = _fitting(value, self.takes[name])
            except KeyError:
                known = ", ".join(self.takes)
                raise _unfit(f"{where}: the option {name}", f"one of {known}") from None
            except TypeError:
                found = f"{where}: {name}: {value!r}"
                raise _unfit(found, _spelt(self.takes[name])) from None
        return made


def verb(step: Step) -> Verb:
    """Return the verb of a step.

    Raises:
        RecipeError: there is none.
    """
    if step.verb not in VERBS:
        raise RecipeError(
            f"{step.where}: no step is called {step.verb!r}",
            expected=f"one of {', '.join(VERBS)}",
            remedy=f"give what it makes with --given {step.output}=FILE"
            if step.output
            else "compare it with the recipes that come with the program",
        )
    return VERBS[step.verb]


def build(setting: Setting, *, places: File | None = None, **options: Any) -> Result:  # noqa: ANN401 - those of choices
    """Plan and build, a tile or a place at a time; what is there already is left as it is.

    Args:
        setting: of the run.
        places: a vector file of which each feature is an area of its own: rules choose for it.
        options: see :func:`cubestore_pipelines.choices`.
    """
    total: Counter[str] = Counter()
    for chosen in _each(setting, places, options):
        total["places"] += 1
        try:
            made = _reduced(make_plan(setting.store, chosen), setting.limit)
        except NothingFoundError as error:
            _tell_nothing(setting, error)
            total["nothing_found"] += 1
            continue
        total.update(_planned(made) if setting.plan_only else _built(setting, made))
    return Result(facts=dict(total), failed=total["failed"] + total["nothing_found"])


def index(
    setting: Setting,
    *,
    sensor: Words = (),
    tile: Words = (),
    chip_size: int = CHIP_SIZE,
    compat: str = "",
    split: str = "",
    shares: str = "",
    seed: int = 0,
) -> Result:
    """Bring the chip index up to date."""
    if setting.plan_only:
        return _later("chips are counted when the cubes are built")
    done = cubestore.index_store(
        setting.store,
        sensors=words(sensor) or None,
        tiles=words(tile) or None,
        chip_size=chip_size,
        compat=compat,
        split=SplitRule(rule=split, shares=shares, seed=seed) if split else None,
    )
    states = Counter(one.state for one in done)
    return Result(facts={"cubes": len(done), "chips": sum(one.chips for one in done), **states})


def stats(setting: Setting, *, sensor: Words = (), tile: Words = (), exact: bool = False) -> Result:
    """Count the pixels of every sensor, and keep what they are like in the cubes."""
    if setting.plan_only:
        return _later("pixels are counted when the cubes are built")
    store = cubestore.open_store(setting.store)
    wanted = measured(store, words(sensor), words(tile))
    found = [pooled(store, one, tiles, exact=exact) for one, tiles in wanted.items()]
    return Result(facts={"cubes": sum(len(one.cubes) for one in found), "sensors": len(found)})


def clay_embeddings(
    setting: Setting, *, source: File, name: str = "", model: str = MODEL
) -> Result:
    """Import Clay's embeddings."""
    return _imported(setting, import_clay_embeddings, source=str(source), name=name, model=model)


BUILD = "build"
VERBS: Mapping[str, Verb] = {
    BUILD: Verb.of(build, choices),
    "index": Verb.of(index),
    "stats": Verb.of(stats),
    "import clay-embeddings": Verb.of(clay_embeddings),
}


def _imported(setting: Setting, imports: Callable[..., list[Imported]], **options: Any) -> Result:  # noqa: ANN401 - those of an import
    """Import, and return what was made; what could not be taken counts as failed."""
    if setting.plan_only:
        return _later(f"{options['source']} is imported")
    made = imports(store=setting.store, **options)
    left_out = sum(len(one.left_out) for one in made)
    facts = {"made": [one.name for one in made], "patches": sum(one.patches for one in made)}
    return Result(facts={**facts, "left_out": left_out}, failed=left_out)


def _later(reason: str) -> Result:
    return Result(facts={"later": reason})


def _each(setting: Setting, places: File | None, options: dict[str, Any]) -> Iterator[Choices]:
    """Yield the choices of each place: the features of a file, else tiles, else one area."""
    searched = {**options, **_searched(setting, options.get("catalog", ""))}
    tiles = words(searched.pop("tile", ()))
    if (file := searched.pop("tiles", None)) is not None:
        tiles = (*tiles, *place.tiles(Path(file)))
    if places is not None:
        for area in place.places(Path(places))[: setting.limit]:
            yield choices(**searched, tile=tiles, aoi=area)
    elif tiles:
        for tile in tiles[: setting.limit]:
            yield choices(**searched, tile=tile)
    else:
        yield choices(**searched)


def _searched(setting: Setting, catalog: str) -> dict[str, str]:
    """Return where a build searches: as its recipe has it, or where the run is told to.

    What an earlier step has found is searched as it is.
    """
    if Path(catalog).is_file():
        return {"catalog": catalog}
    address = setting.catalogs.get(catalog) or setting.catalogs.get("", "")
    if address.endswith((".yaml", ".yml")):
        return {"catalog": "", "profile": address}
    return {"catalog": address or catalog}


def _reduced(made: Plan, limit: int | None) -> Plan:
    """Return a plan with the first acquisitions of each cube alone."""
    cubes = (replace(one, acquisitions=one.acquisitions[:limit]) for one in made.cubes)
    return replace(made, cubes=tuple(cubes))


def _planned(made: Plan) -> dict[str, int]:
    """Return what would be done."""
    told = made.summary()
    return {
        "cubes": told["cubes"],
        "scenes": told["items"],
        "slots": told["slots"],
        "chips": sum(map(_chips, made.cubes)),
        "bytes": told["bytes"],
        "failed": told["refused"],
    }


def _chips(one: CubePlan) -> int:
    """Return how many chips of 256 pixels lie in what is to be read, cut ones at edges too."""
    grid = layout.geobox(cubestore.sensor(one.sensor), cubestore.tile(one.tile))
    shapes = (shard_grid(grid, shard).shape for shard in one.shards)
    return len(one.acquisitions) * sum(prod(-(-n // CHIP_SIZE) for n in shape) for shape in shapes)


def _built(setting: Setting, made: Plan) -> dict[str, int]:
    """Build, and return what was done."""
    report = carry_out(setting.store, made, watcher=setting.watcher, start=setting.start)
    return {
        "cubes": len(report.cubes),
        "committed": len(report.committed),
        "unchanged": report.unchanged,
        "left_out": len(report.left_out),
        "shards": report.shards,
        "bytes": report.bytes,
        "failed": len(report.failures),
    }


def _tell_nothing(setting: Setting, error: NothingFoundError) -> None:
    if setting.watcher is not None:
        told = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        setting.watcher.failed(Refusal(item="", **told))


def _fitting(value: Any, hint: Any) -> Any:  # noqa: ANN401 - what YAML holds, and any type
    """Return a value of YAML as a type takes it; numbers are texts where texts are wanted."""
    kinds = get_args(hint) or (hint,)
    exact = isinstance(value, bool)
    for kind in kinds:
        if get_origin(kind) in (Iterable, Sequence) and isinstance(value, list):
            return [_fitting(one, get_args(kind)[0]) for one in value]
        if kind is bool and exact:
            return value
        if kind in (int, float) and isinstance(value, int | kind) and not exact:
            return value
        if kind is str and isinstance(value, str | int | float) and not exact:
            return str(value)
    raise TypeError


def _spelt(hint: Any) -> str:  # noqa: ANN401 - any type
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    told = [names[kind] for kind in get_args(hint) or (hint,) if kind in names]
    several = any(get_origin(kind) in (Iterable, Sequence) for kind in get_args(hint))
    return " or ".join([*told, *(["a list of them"] if several else [])])


def _unfit(found: str, expected: str) -> RecipeError:
    return RecipeError(
        found, expected=expected, remedy="a step has the options of its verb; see its --help"
    )

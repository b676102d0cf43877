"""A recipe is carried out: step after step, each as if it were run alone.

Whatever is there already is left as it is, so that a second run changes nothing and one that was
killed goes on. Files that steps make lie in ``STORE/recipes/RECIPE/``, under names that tell the
options that they were made with: a step with others makes another.
"""

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cubestore
from cubestore_pipelines import cluster
from cubestore_pipelines.build import Watcher
from cubestore_pipelines.errors import RecipeError
from cubestore_pipelines.providers import providers
from cubestore_pipelines.recipes.recipe import SOURCE, Recipe, Step, filled, names_in, recipe, value
from cubestore_pipelines.recipes.steps import Result, Setting
from cubestore_pipelines.recipes.verbs import BUILD, verb

FOLDER = "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a recipe is run."""

    plan_only: bool = False
    """Tell what would be done; nothing is built."""

    limit: int | None = None
    """Tiles or places of a step, acquisitions of a sensor on a tile, patches of a set, at most."""

    catalog: tuple[str, ...] = ()
    """Where every build searches instead; or, as ``PROVIDER=URL``, those of a provider."""

    source: Path | None = None
    """The folder of the user's own files."""

    given: tuple[str, ...] = ()
    """``NAME=FILE``: the file that a step is to make, made already."""

    compat: str = ""
    """Do as it was done when the data set was made, where that was otherwise."""

    option: tuple[str, ...] = ()
    """``NAME=VALUE``: an option of every build, instead of the recipe's: ``seed=1``."""

    scheduler: str | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that was done."""

    step: Step
    options: Mapping[str, Any]
    result: Result

    @property
    def command(self) -> str:
        """The step as its verb is called."""
        told = (word for name, value in self.options.items() for word in _words(name, value))
        return shlex.join(["cubestore", *self.step.verb.split(), "STORE", *told])


def run(
    name: str | Path,
    store: str | Path,
    options: Options | None = None,
    *,
    watcher: Watcher | None = None,
) -> Iterator[Done]:
    """Carry out a recipe, and yield each step when it is done.

    Args:
        name: of a recipe that comes with the program, or a file.
        store: where; made where it is not there.
        options: how.
        watcher: who is told how builds go on.

    Raises:
        RecipeError: the recipe cannot be understood, or lacks a file; nothing is done then.
        CubestoreError: whatever a step refuses; what was done before stays.
    """
    told = options or Options()
    kitchen = _Kitchen(recipe(name), Path(store), told)
    with cluster.when_needed(told.scheduler, told.workers) as start:
        setting = Setting(
            store=Path(store),
            start=start,
            watcher=watcher,
            plan_only=told.plan_only,
            limit=told.limit,
            catalogs=_catalogs(told.catalog),
        )
        yield from kitchen.cook(setting)


class _Kitchen:
    """The steps of a recipe, each with its options and where its file lies."""

    def __init__(self, made: Recipe, store: Path, options: Options) -> None:
        self._folder = store / FOLDER / made.name
        self._given = _given(options.given, made)
        self._changed = _changed(options.option)
        self._known = {SOURCE: str(options.source)} if options.source is not None else {}
        _refuse_compat(made, options.compat)
        self._steps = [self._prepared(step, options) for step in _wanted(made.steps, self._given)]

    def cook(self, setting: Setting) -> Iterator[Done]:
        """Do every step."""
        for step, options, output in self._steps:
            if step.output in self._given:
                result = Result(facts={"file": str(output), "state": "given"})
            elif output is not None:
                result = _made(setting, step, options, output)
            else:
                result = verb(step).function(setting, **options)
            yield Done(step=step, options=options, result=result)

    def _prepared(self, step: Step, told: Options) -> tuple[Step, dict[str, Any], Path | None]:
        """Return a step with its options as they are, or refuse it before anything is done."""
        if step.output in self._given:
            self._known[step.output] = str(self._given[step.output])
            return step, {}, self._given[step.output]
        chosen = step.as_published(told.compat)
        if step.verb == BUILD:
            chosen = {**chosen, **self._changed}
        if SOURCE in names_in(chosen) and SOURCE not in self._known:
            raise RecipeError(
                f"{step.where}: it needs files of yours",
                expected="--source, the folder that they lie in",
                remedy=f"or --given {step.output}=FILE, what the step is to make"
                if step.output
                else "give --source DIR",
            )
        does = verb(step)
        options = does.options(filled(chosen, self._known, step.where), step.where)
        output = self._output(step, options) if step.output else None
        if output is not None:
            self._known[step.output] = str(output)
        return step, options, output

    def _output(self, step: Step, options: Mapping[str, Any]) -> Path:
        told = json.dumps([step.verb, options], sort_keys=True, default=str)
        mark = hashlib.sha256(told.encode()).hexdigest()[:8]
        return self._folder / f"{step.output}-{mark}{step.ending}"


def _made(setting: Setting, step: Step, options: Mapping[str, Any], output: Path) -> Result:
    """Make the file of a step, unless it is there; verbs let it appear whole."""
    if output.exists():
        return Result(facts={"file": str(output), "state": "there already"})
    cubestore.create_store(setting.store)
    output.parent.mkdir(parents=True, exist_ok=True)
    result = verb(step).function(setting, output=output, **options)
    return replace(result, facts={"file": str(output), **result.facts})


def _wanted(steps: Sequence[Step], given: Mapping[str, Path]) -> list[Step]:
    """Leave out what is made for steps alone whose files are given."""
    wanted: list[Step] = []
    asked: set[str] = set()
    needed: set[str] = set()
    for step in reversed(steps):
        names, idle = names_in(step.options), step.output in asked - needed
        asked |= names
        if step.output in given:
            wanted.insert(0, step)
        elif not idle:
            wanted.insert(0, step)
            needed |= names
    return wanted


def _given(words: Sequence[str], made: Recipe) -> dict[str, Path]:
    """Return the files that steps need not make."""
    outputs = [step.output for step in made.steps if step.output]
    given = {}
    for word in words:
        name, _, file = word.partition("=")
        if name not in outputs or not Path(file).is_file():
            raise RecipeError(
                f"--given {word}",
                expected=f"NAME=FILE, a file that is there, of {', '.join(outputs) or 'no step'}",
                remedy="name what the recipe calls it after `as`",
            )
        given[name] = Path(file).absolute()
    return given


def _changed(words: Sequence[str]) -> dict[str, Any]:
    """Return options of builds, with values as a recipe would have them."""
    made = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            raise RecipeError(
                f"--option {word}",
                expected="NAME=VALUE",
                remedy="for example --option max_nodata=50",
            )
        made[name.replace("-", "_")] = value(text)
    return made


def _refuse_compat(made: Recipe, compat: str) -> None:
    if compat and compat not in made.compats:
        raise RecipeError(
            f"--compat {compat}",
            expected=f"one of {', '.join(made.compats)}" if made.compats else "nothing",
            remedy=f"leave it out: {made.name} does nothing otherwise under that name",
        )


def _catalogs(words: Sequence[str]) -> dict[str, str]:
    """Return where builds search instead: by provider, or under "" all."""
    made = {}
    for word in words:
        name, _, address = word.partition("=")
        known = name in providers()
        made[name if known and address else ""] = address if known and address else word
    return made


def _words(name: str, value: Any) -> list[str]:  # noqa: ANN401 - any option's
    """Return an option as it is given on the command line: texts one by one, numbers together."""
    flag = f"--{name.replace('_', '-')}"
    several = value if isinstance(value, list) else [value]
    if all(isinstance(one, str) for one in several):
        return [word for one in several for word in (flag, one)]
    return [flag, *map(str, several)]

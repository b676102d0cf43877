"""A recipe: how a published data set is made, as steps that a person reads in a minute.

    title: Clay v1
    steps:
      - sample clay-v1: {landcover: $source/landcover.parquet}
        as: mgrs
      - build: {catalog: earth-search, sensor: sentinel-2-l2a, tiles: $mgrs, max_cloud: 75}
        compat: {stacchip: {max_cloud: 0.75}}
      - index: {chip_size: 256}

A step is a verb of the command line with that verb's own options; `verbs` has them.
``as`` names the file that a step makes, FlatGeobuf unless it ends otherwise (``as: scenes.json``),
and ``$mgrs`` stands for it in what follows; ``$source`` is the folder of the user's own files.
``compat`` has what was done otherwise when the data set was made. Whatever is not understood is
refused with file, line and step, before anything is done.
"""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from cubestore_pipelines.errors import RecipeError

SOURCE = "source"
"""Stands for the folder of the user's own files."""

ABOUT = ("title", "source", "steps")
BESIDE = ("as", "compat")
"""What a step may say besides its verb."""

_FILE = re.compile(r"(?P<name>[a-z][a-z0-9_-]*)(?P<ending>\.[a-z]+)?")
_VARIABLE = re.compile(r"\$(?P<name>[a-z][a-z0-9_-]*)(?=/|$)")
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a recipe."""

    verb: str
    options: Mapping[str, Any]
    output: str = ""
    """The name of the file that it makes; "": none that is named."""

    ending: str = ".fgb"
    """Of the file; its format."""

    compat: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name -> the options that are others under it."""

    where: str
    """File, line and number, for errors."""

    def as_published(self, compat: str) -> Mapping[str, Any]:
        """Return the options, with those that are others under ``compat``."""
        return {**self.options, **self.compat.get(compat, {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a data set is made."""

    name: str
    title: str
    source: str
    """Where it was published how it is made."""

    steps: tuple[Step, ...]

    @property
    def compats(self) -> list[str]:
        """The names under which something is done as it was when the data set was made."""
        return sorted({name for step in self.steps for name in step.compat})


def recipes() -> list[str]:
    """Return the names of the recipes that come with the program."""
    found = (entry.name for entry in files("cubestore_pipelines.recipes").iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def recipe(name: str | Path) -> Recipe:
    """Return a recipe by its name, or of a file.

    Raises:
        RecipeError: there is none, or it cannot be understood.
    """
    if str(name) in recipes():
        text = files("cubestore_pipelines.recipes").joinpath(f"{name}.yaml").read_text("utf-8")
        return _parsed(f"{name}.yaml", text)
    try:
        return _parsed(str(name), Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"There is no recipe {name}: {error}",
            expected=f"one of {', '.join(recipes())}, or a YAML file",
            remedy="name one of these, or check the path",
        ) from None


def value(text: str) -> Any:  # noqa: ANN401 - YAML
    """Return a value as it stands in a recipe, or the text where it is none."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError:
        return text


def filled(options: Mapping[str, Any], known: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return options with what ``$names`` in them stand for.

    Args:
        options: of a step; names stand at the start of a text, before a ``/`` or alone.
        known: name -> the path that it stands for.
        where: the step, for errors.

    Raises:
        RecipeError: a name that stands for nothing.
    """
    return {key: _filled(one, known, where) for key, one in options.items()}


def names_in(options: Mapping[str, Any]) -> set[str]:
    """Return the names that stand for something in options."""
    texts = (text for one in options.values() for text in _texts(one))
    return {found["name"] for text in texts if (found := _VARIABLE.match(text))}


def _texts(told: object) -> Iterator[str]:
    for one in told if isinstance(told, list) else [told]:
        if isinstance(one, str):
            yield one


def _filled(told: Any, known: Mapping[str, str], where: str) -> Any:  # noqa: ANN401 - YAML
    if isinstance(told, list):
        return [_filled(one, known, where) for one in told]
    found = _VARIABLE.match(told) if isinstance(told, str) else None
    if found is None:
        return told
    if found["name"] not in known:
        raise _unclear(
            where,
            f"${found['name']} stands for nothing",
            expected=", ".join(f"${name}" for name in known) or "what an earlier step makes",
            remedy="give --source, or name an earlier step's output with `as`",
        )
    return known[found["name"]] + told[found.end() :]


class _Mapping(dict[Hashable, Any]):
    """A mapping of YAML that knows on which line it stands."""

    line = 0


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # no types
    """Days stay texts, mappings know their lines, and nothing is said twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the library has it
        first: [one for one in some if one[0] != _TIMESTAMP]
        for first, some in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = True) -> _Mapping:  # noqa: FBT001, FBT002 - as the library has it
        """Return a mapping with its line."""
        made = _Mapping(super().construct_mapping(node, deep=deep))
        made.line = node.start_mark.line + 1
        if len(made) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key twice", problem_mark=node.start_mark)
        return made

    def construct_yaml_map(self, node: yaml.MappingNode) -> Iterator[_Mapping]:
        """Construct every mapping so."""
        yield self.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)


def _parsed(file: str, text: str) -> Recipe:
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise _unclear(file, " ".join(str(error).split()), expected="YAML") from None
    if not isinstance(content, _Mapping) or not content.get("steps"):
        raise _unclear(file, "no `steps`", expected="title, source and a list of steps")
    _refuse_others(content, ABOUT, file)
    told = content["steps"]
    if not isinstance(told, list):
        raise _unclear(file, f"steps: {told!r}", expected="a list of steps")
    steps = tuple(_step(file, number, one) for number, one in enumerate(told, 1))
    _refuse_twice(file, [step.output for step in steps if step.output])
    return Recipe(
        name=Path(file).stem,
        title=str(content.get("title", "")),
        source=str(content.get("source", "")),
        steps=steps,
    )


def _step(file: str, number: int, told: object) -> Step:
    if not isinstance(told, _Mapping):
        raise _unclear(f"{file}, step {number}", f"{told!r}", expected="a verb and its options")
    where = f"{file}, line {told.line} (step {number})"
    verbs = [str(key) for key in told if key not in BESIDE]
    if len(verbs) != 1:
        found = f"the verbs {', '.join(verbs) or 'of none'}"
        raise _unclear(where, found, expected="one verb, and perhaps `as` and `compat`")
    where = f"{where[:-1]}, {verbs[0]})"
    compat = told.get("compat", {})
    named = _FILE.fullmatch(str(told.get("as", "")))
    if "as" in told and (named is None or named["name"] == SOURCE):
        raise _unclear(where, f"as: {told['as']!r}", expected=f"a word of its own, not {SOURCE}")
    if not isinstance(compat, dict):
        raise _unclear(where, f"compat: {compat!r}", expected="names, each with options")
    return Step(
        verb=verbs[0],
        options=_options(where, told[verbs[0]]),
        **({"output": named["name"]} if named else {}),
        **({"ending": named["ending"]} if named and named["ending"] else {}),
        compat={str(name): _options(where, some) for name, some in compat.items()},
        where=where,
    )


def _options(where: str, told: object) -> Mapping[str, Any]:
    if told is None:
        return {}
    if not isinstance(told, _Mapping):
        raise _unclear(where, f"the options {told!r}", expected="names and values")
    return {str(key): one for key, one in told.items()}


def _refuse_others(content: _Mapping, known: tuple[str, ...], where: str) -> None:
    if others := [str(key) for key in content if key not in known]:
        raise _unclear(where, ", ".join(others), expected=f"some of {', '.join(known)}")


def _refuse_twice(file: str, names: list[str]) -> None:
    if again := [name for name in names if names.count(name) > 1]:
        raise _unclear(file, f"two steps `as` {again[0]}", expected="a name of its own for each")


def _unclear(where: str, found: str, *, expected: str, remedy: str = "") -> RecipeError:
    return RecipeError(
        f"{where}: {found}",
        expected=expected,
        remedy=remedy or "compare it with the recipes that come with the program",
    )

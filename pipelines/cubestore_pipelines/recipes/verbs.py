"""The verbs that a step of a recipe may have: each a function, and its row in `VERBS`."""

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import cubestore
from cubestore.chips import CHIP_SIZE
from cubestore.index import SplitRule
from cubestore.stats.survey import measured
from cubestore.stats.survey import stats as pooled
from cubestore_pipelines.choices import Words, choices, words
from cubestore_pipelines.errors import RecipeError
from cubestore_pipelines.recipes import imports, samples
from cubestore_pipelines.recipes.building import build
from cubestore_pipelines.recipes.recipe import Step
from cubestore_pipelines.recipes.steps import Result, Setting, Verb, later


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


def index(
    setting: Setting,
    *,
    sensor: Words = (),
    tile: Words = (),
    chip_size: int = CHIP_SIZE,
    compat: Literal["", "stacchip"] = "",
    split: str = "",
    shares: str = "",
    seed: int = 0,
) -> Result:
    """Bring the chip index up to date."""
    if setting.plan_only:
        return later("chips are counted when the cubes are built")
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
        return later("pixels are counted when the cubes are built")
    store = cubestore.open_store(setting.store)
    wanted = measured(store, words(sensor), words(tile))
    found = [pooled(store, one, tiles, exact=exact) for one, tiles in wanted.items()]
    return Result(facts={"cubes": sum(len(one.cubes) for one in found), "sensors": len(found)})


BUILD = "build"
VERBS: Mapping[str, Verb] = {
    BUILD: Verb.of(build, choices),
    "index": Verb.of(index),
    "stats": Verb.of(stats),
    "sample landcover": Verb.of(samples.landcover),
    "sample clay-v1": Verb.of(samples.clay_v1),
    "sample clay-v0.1": Verb.of(samples.clay_v01),
    "sample sin": Verb.of(samples.sin),
    "sample naip": Verb.of(samples.naip),
    "sample linz": Verb.of(samples.linz),
    "sample ssl4eo": Verb.of(samples.ssl4eo),
    "import clay-embeddings": Verb.of(imports.clay_embeddings),
    "import cloudsen12": Verb.of(imports.cloudsen12),
    "import floods": Verb.of(imports.floods),
    "import ssl4eo": Verb.of(imports.ssl4eo),
}

"""The verb ``run``: a recipe, from its samples to its chips."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.output import Json, plain_console, show_json, size
from cubestore_pipelines.cli.progress import watched
from cubestore_pipelines.cli.status import DONE, IN_PART
from cubestore_pipelines.recipes.recipe import recipe as read
from cubestore_pipelines.recipes.run import Done, Options
from cubestore_pipelines.recipes.run import run as carry_out


def run(  # noqa: PLR0913 - a verb's options
    recipe: str,
    store: Path,
    /,
    *,
    plan_only: Annotated[bool, Parameter(negative="")] = False,
    limit: int | None = None,
    catalog: Words = (),
    source: Path | None = None,
    given: Words = (),
    compat: str = "",
    option: Words = (),
    scheduler: str | None = None,
    workers: int | None = None,
    json: Json = False,
) -> int:
    """Carry out a recipe: clay-v1, clay-v0, clay-c2sms-floods, ssl4eo-s12, cloudsen12, or a file.

    A second run changes nothing, one that was killed goes on.

    Example: cubestore run clay-v1 STORE --given mgrs=mgrs_sample_v02.fgb --limit 2 --plan-only

    Args:
        recipe: its name, or a YAML file of steps.
        store: path of the store; made where it is not there.
        plan_only: tell the scenes, chips, patches and bytes of each step. Samples are made, nothing
            else.
        limit: take the first so many tiles or places of each step, the first so many acquisitions
            of each sensor on them, and the first so many patches of what is imported.
        catalog: search here instead: a provider, address or path for all builds, or
            PROVIDER=ADDRESS for those of one; also the file of a profile that has a url.
            Repeatable.
        source: the folder of your own files: land cover, Natural Earth, a data set as published.
        given: NAME=FILE, instead of what the step of that name would make; repeatable.
        compat: published: do as it was done then, where the recipe does it otherwise.
        option: NAME=VALUE, an option of every build instead of the recipe's, such as seed=1 or
            max_nodata=50; repeatable.
        scheduler: address of a dask scheduler; without it processes of this machine.
        workers: how many of them; one a processor.
        json: print one JSON object.
    """
    options = Options(
        plan_only=plan_only,
        limit=limit,
        catalog=catalog,
        source=source,
        given=given,
        compat=compat,
        option=option,
        scheduler=scheduler,
        workers=workers,
    )
    done = []
    with watched() as watcher:
        for step in carry_out(recipe, store, options, watcher=watcher):
            done.append(step)
            if not json:
                _show(step)
    failed = sum(step.result.failed for step in done)
    if json:
        steps = [_told(step) for step in done]
        show_json({"recipe": read(recipe).name, "store": str(store), "steps": steps})
    return IN_PART if failed else DONE


def _show(step: Done) -> None:
    facts = {**step.result.facts}
    if "bytes" in facts:
        facts["bytes"] = size(facts["bytes"])
    facts |= {"sets": " ".join(facts["sets"])} if "sets" in facts else {}
    words = ", ".join(f"{name.replace('_', ' ')}: {told}" for name, told in facts.items())
    plain_console().print(f"$ {step.command}\n  {words}")


def _told(step: Done) -> dict[str, Any]:
    return {"step": step.step.verb, "options": dict(step.options), **step.result.facts}

"""The demo: the whole way from a catalogue to a cube, on a simulated archive, without a network.

The archive answers on the loopback as the Planetary Computer does: the unmodified pystac-client
searches it, the unmodified SDK signs its addresses, its tokens expire. Whatever is there already
is left as it is, so that a demo that was interrupted goes on.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import shapely

import cubestore
from cubestore_pipelines import cluster, planfile
from cubestore_pipelines.build import Report, build
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.plan import plan
from cubestore_pipelines.simulate.archive import PLACE, TILE, demo_plan, make_archive
from cubestore_pipelines.simulate.server import serving

SENSOR = "sentinel-2-l2a"
ARCHIVE = ".archive"
"""The archive lies in the store's directory, and is no part of the store."""

TOKENS_LIVE = 20.0
"""Seconds: shorter than the demo, so that tokens expire while it reads."""

HALF = 0.13
"""Degrees of longitude and latitude about the place."""

__all__ = ["SENSOR", "TILE", "Step", "run"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done: the command that does it, and what came of it."""

    command: str
    result: str


def run(directory: Path) -> Iterator[Step]:
    """Do what the demo does, a step at a time.

    Args:
        directory: of the store; made where it is not there.
    """
    cubestore.create_store(directory)
    archive = make_archive(directory / ARCHIVE, demo_plan(), workers=2)
    with serving(archive, token_lifetime=TOKENS_LIVE) as server, _environment(server.environment):
        found = f"{len(archive.items)} scenes, searched at {server.stac_url}"
        yield Step(f"python -m cubestore_pipelines.simulate {directory / ARCHIVE}", found)
        with cluster.client(None, None) as client:
            scheduler = client.scheduler_info()["address"]
            yield from _builds(directory, _choices(server.stac_url), scheduler)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Tell the clients where the archive is, them and those of the workers."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _choices(address: str) -> Choices:
    longitude, latitude = PLACE
    box = (longitude - HALF, latitude - HALF / 2, longitude + HALF, latitude + HALF / 2)
    return Choices(catalog=address, sensors=(SENSOR,), area=shapely.box(*box))


def _builds(directory: Path, choices: Choices, scheduler: str) -> Iterator[Step]:
    first = replace(choices, datetime="2023", select=("least-cloudy-per-quarter",))
    file = directory / ARCHIVE / "plan.json"
    made = plan(directory, first)
    planfile.save(made, file)
    facts = made.summary()
    yield Step(_command("plan", directory, first, f"-o {file}"), f"{facts['slots']} slots chosen")
    yield Step(
        f"cubestore build {directory} --plan {file}",
        _result(build(directory, planfile.load(file), scheduler=scheduler)),
    )
    reprocessed = tuple(one.item_id for one in demo_plan() if one.baseline == "05.00")
    rest = replace(choices, datetime="2021", skip_items=reprocessed)
    for chosen in (rest, choices, choices):
        report = build(directory, plan(directory, chosen), scheduler=scheduler)
        yield Step(_command("build", directory, chosen), _result(report))


def _command(verb: str, directory: Path, choices: Choices, more: str = "") -> str:
    """Return the command that makes the same choices."""
    box = choices.area.bounds if choices.area is not None else ()
    words = [f"cubestore {verb} {directory} --catalog {choices.catalog} --sensor {SENSOR}"]
    words.append("--bbox " + " ".join(f"{edge:.3f}" for edge in box))
    words += [f"--datetime {choices.datetime}"] if choices.datetime else []
    words += [f"--select {rule}" for rule in choices.select if rule != "all"]
    words += [f"--skip-item {item}" for item in choices.skip_items]
    return " ".join([*words, more]).strip()


def _result(report: Report) -> str:
    done = f"{len(report.committed)} slots committed, {report.unchanged} were there"
    return f"{done}, {len(report.failures)} failed" if report.failures else done

"""Verbs on a store: what is there, and whether it is what was committed."""

import sys
from collections.abc import Iterable
from typing import Any

import cubestore
from cubestore.errors import CubestoreError
from cubestore_pipelines.cli.output import Json, show_facts, show_json, show_table, size
from cubestore_pipelines.cli.status import DONE, IN_PART

CUBE_COLUMNS = ("tile", "sensor", "slots", "first", "last", "files", "size", "commit")
SET_COLUMNS = ("name", "patches", "variables", "files", "size")


def info(
    store: str,
    tile: str | None = None,
    sensor: str | None = None,
    /,
    *,
    json: Json = False,
) -> None:
    """Show what a store, a tile, a cube or a patch set holds: slots, dates, size, last commit.

    Example: cubestore info STORE 31UDQ sentinel-2-l2a

    Args:
        store: path or address of the store.
        tile: only this tile; or the name of a patch set, DATASET/PART.
        sensor: only this sensor's cube.
        json: print one JSON object.
    """
    opened = cubestore.open_store(store)
    if tile is not None and sensor is not None:
        facts = opened.cube(tile, sensor).info()
        show_json(facts) if json else show_facts(_for_people(facts))
        return
    if tile is not None and tile in opened.patch_sets():
        facts = opened.patches(tile).info()
        show_json(facts) if json else show_facts(_of_set(facts))
        return
    wanted = None if tile is None else cubestore.tile(tile).id
    cubes = [opened.cube(t, s).info() for t, s in opened.cubes() if wanted in {None, t}]
    sets = [opened.patches(name).info() for name in opened.patch_sets() if wanted is None]
    if json:
        show_json({"store": store, "cubes": cubes, "patch_sets": sets})
    else:
        _show_cubes(cubes, sets)


def _show_cubes(cubes: list[dict[str, Any]], sets: list[dict[str, Any]]) -> None:
    """Show the cubes and the patch sets, each kind in a table where there are any."""
    if cubes or not sets:
        _show_rows(CUBE_COLUMNS, map(_for_people, cubes))
    if sets:
        _show_rows(SET_COLUMNS, map(_of_set, sets))


def _show_rows(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> None:
    show_table(columns, [[row[column] for column in columns] for row in rows])


def verify(store: str, /, *, repair: bool = False, json: Json = False) -> int:
    """Compare every byte of a store with its commit records; name each key that is wrong.

    Example: cubestore verify STORE

    Args:
        store: path of the store.
        repair: first undo what interrupted writers left behind, as the next write would.
        json: print one JSON object.
    """
    opened = cubestore.open_store(store)
    if repair:
        for tile, sensor in opened.cubes():
            _repair(opened.cube(tile, sensor))
    reports = list(opened.verify())
    wrong = any(report.damaged for report in reports)
    if json:
        show_json({"store": store, "ok": not wrong, "cubes": [_report(r) for r in reports]})
    else:
        rows = [[r.path, f.state, f.key, f.problem] for r in reports for f in r.findings]
        if rows:
            show_table(("path", "state", "key", "problem"), rows)
        files, count = sum(r.keys for r in reports), sum(r.size for r in reports)
        verdict = "something is wrong" if wrong else "all as committed"
        what = "cubes and patch sets" if opened.patch_sets() else "cubes"
        message = f"{what}: {len(reports)}, files: {files}, {size(count)}: {verdict}."
        print(message, file=sys.stderr)  # noqa: T201 - a message
    return IN_PART if wrong else DONE


def _repair(cube: cubestore.Cube) -> None:
    try:
        cube.recover(wait=0)
    except CubestoreError as error:  # the report says what is wrong
        print(f"cubestore: {error}", file=sys.stderr)  # noqa: T201 - a message


def _for_people(facts: dict[str, Any]) -> dict[str, Any]:
    shown = {**facts, "size": size(facts["bytes"]), "bands": " ".join(facts["bands"])}
    shown["computed"] = ", ".join(f"{n} ({slots} slots)" for n, slots in facts["computed"].items())
    del shown["bytes"]
    return shown


def _of_set(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a patch set as a line each; of a model's vectors, whose."""
    variables = facts["variables"].items()
    made = [f"{name} ({held['model']})" if "model" in held else name for name, held in variables]
    splits = ", ".join(f"{name or 'none'} ({count})" for name, count in facts["splits"].items())
    told = {"variables": " ".join(made), "columns": " ".join(facts["columns"]), "splits": splits}
    shown = {**facts, **told, "size": size(facts["bytes"])}
    del shown["bytes"]
    return shown


def _report(report: cubestore.Report) -> dict[str, Any]:
    findings = [{"key": f.key, "state": f.state, "problem": f.problem} for f in report.findings]
    return {
        "path": report.path,
        "commit": report.commit,
        "files": report.keys,
        "bytes": report.size,
        "findings": findings,
    }

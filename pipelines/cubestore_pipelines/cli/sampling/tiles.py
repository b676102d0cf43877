"""The verbs ``sample landcover``, ``clay-v1``, ``clay-v0.1`` and ``sin``: which tiles."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.output import (
    Json,
    plain_console,
    show_facts,
    show_json,
    show_table,
)
from cubestore_pipelines.cli.sampling.writing import Output, show, write
from cubestore_pipelines.cli.status import DONE, IN_PART

if TYPE_CHECKING:
    from cubestore_pipelines.sampling import ClaySample

Box = Annotated[tuple[float, float, float, float] | None, Parameter(negative="")]
Compat = Literal["clay"] | None


def landcover(
    worldcover: str,
    /,
    *,
    output: Output = Path("landcover.fgb"),
    tile: Words = (),
    bbox: Box = None,
    workers: int | None = None,
    timeout: float = 30.0,
    json: Json = False,
) -> int:
    """Count the classes of WorldCover in MGRS tiles, from which clay-v1 and clay-v0.1 draw.

    A run that was stopped goes on: what was counted lies beside the table, in OUTPUT.counted.

    Example: cubestore sample landcover worldcover/ --output landcover.fgb

    Args:
        worldcover: a folder of WorldCover's GeoTIFFs, one of them, or a catalogue as --catalog.
        output: the table, .fgb or .parquet.
        tile: an MGRS tile; repeatable; without it all that the sheets have a part in.
        bbox: west, south, east and north in degrees; tiles with a part in it.
        workers: threads; one a processor.
        timeout: seconds that a server may take to answer.
        json: print one JSON object.
    """
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    done = sampling.landcover(
        worldcover,
        output,
        tile=tile,
        bbox=bbox,
        workers=workers,
        timeout=timeout,
        progress=_counted,
    )
    errors = plain_console(stderr=True)
    for name, reason in done.failures:
        errors.print(f"failed: {name}: {reason}")
    facts = asdict(done)
    show(facts if json else {**facts, "failures": len(done.failures)}, json=json)
    return IN_PART if done.failures else DONE


def _counted(done: int, total: int) -> None:
    console = plain_console(stderr=True)
    if console.is_terminal or done == total:
        console.print(f"{done} of {total} tiles counted", end="\n" if done == total else "\r")


def clay_v1(
    statistics: Path,
    /,
    *,
    output: Output = Path("clay-v1.fgb"),
    seed: int | None = None,
    compat: Compat = None,
    json: Json = False,
) -> None:
    """Draw the MGRS tiles of Clay v1, by their land cover.

    Example: cubestore sample clay-v1 landcover.fgb --output clay-v1.fgb

    Args:
        statistics: what `cubestore sample landcover` wrote.
        output: the tiles, .fgb or .parquet; `cubestore build --tiles` takes them.
        seed: of what is drawn; 42, with --compat clay the script's own, 23.
        compat: clay: as Clay's script, which departs from its documentation.
        json: print one JSON object.
    """
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    _finish(sampling.clay_v1(statistics, seed=seed, compat=compat or ""), output, json=json)


def clay_v01(
    statistics: Path,
    /,
    *,
    output: Output = Path("clay-v0.1.fgb"),
    seed: int | None = None,
    compat: Compat = None,
    json: Json = False,
) -> None:
    """Draw the MGRS tiles of Clay v0.1, by their land cover.

    Example: cubestore sample clay-v0.1 landcover.fgb --output clay-v0.1.fgb

    Args:
        statistics: what `cubestore sample landcover` wrote.
        output: the tiles, .fgb or .parquet; `cubestore build --tiles` takes them.
        seed: of what is drawn; 42.
        compat: clay: leave tiles of equal share in the order in which Clay's script does.
        json: print one JSON object.
    """
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    _finish(sampling.clay_v01(statistics, seed=seed, compat=compat or ""), output, json=json)


def _finish(drawn: "ClaySample", output: Path, *, json: bool) -> None:
    """Write the tiles, and tell of each row of the table."""
    rows = [asdict(row) for row in drawn.rows]
    errors = plain_console(stderr=True)
    for row in drawn.rows:
        if row.drawn < row.wanted:
            errors.print(f"{row.column}: {row.wanted} tiles wanted, of which there are {row.drawn}")
    write(drawn.tiles, output)
    if json:
        show_json({"output": str(output), "tiles": len(drawn.tiles), "rows": rows})
        return
    show_table(list(rows[0]), [list(row.values()) for row in rows])
    show_facts({"tiles": len(drawn.tiles), "output": output})


def sin(
    *,
    store: Path | None = None,
    catalog: str = "",
    datetime: str = "",
    timeout: float = 30.0,
    output: Output = Path("sin.fgb"),
    json: Json = False,
) -> None:
    """List MODIS' tiles without nodata: the 233 of Clay, or those of a store or a catalogue.

    Example: cubestore sample sin --output sin.fgb

    Args:
        store: take the tiles of which the latest slot of the cube has none.
        catalog: take those of which the latest composite has none; see `cubestore search`.
        datetime: of those of a catalogue: A/B in UTC.
        timeout: seconds that a server may take to answer.
        output: the tiles, .fgb or .parquet; `cubestore build --tiles` takes them.
        json: print one JSON object.
    """
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    found = sampling.sin(store=store, catalog=catalog, datetime=datetime, timeout=timeout)
    write(found, output)
    show({"tiles": len(found), "output": str(output)}, json=json)

"""The verbs ``sample naip``, ``linz`` and ``ssl4eo``: which places, and which scenes."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cubestore.disk import replace, writable
from cubestore_pipelines.cli.output import Json, plain_console, show_json, show_table
from cubestore_pipelines.cli.sampling.writing import Output, check, kinds, show, write
from cubestore_pipelines.cli.status import DONE, IN_PART

if TYPE_CHECKING:
    from cubestore_pipelines.sampling import LinzSample

ITEMS = ".json"
"""Ending of an ItemCollection."""


def naip(  # noqa: PLR0913 - a verb's options
    *,
    places: Path | None = None,
    parks: Path | None = None,
    airports: Path | None = None,
    ports: Path | None = None,
    rivers: Path | None = None,
    lakes: Path | None = None,
    within: Path | None = None,
    points: int = 4000,
    seed: int = 42,
    output: Output = Path("naip.fgb"),
    json: Json = False,
) -> None:
    """Draw the places of NAIP in Clay v1, from Natural Earth's files or a small set of our own.

    Example: cubestore sample naip --rivers ne_10m_rivers_lake_centerlines.shp --output naip.fgb

    Args:
        places: a vector file of populated places.
        parks: of parks and protected areas.
        airports: of airports.
        ports: of ports.
        rivers: of rivers; one random point of each.
        lakes: of lakes; one random point in each.
        within: of the country; without it a coarse outline of the conterminous United States.
        points: random ones, anywhere in the country.
        seed: of what is drawn.
        output: the points, .fgb or .parquet; `cubestore build --aoi` takes them.
        json: print one JSON object.
    """
    check(output)
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    found = sampling.naip(
        places=places,
        parks=parks,
        airports=airports,
        ports=ports,
        rivers=rivers,
        lakes=lakes,
        within=within,
        points=points,
        seed=seed,
    )
    write(found, output)
    show({**kinds(found), "places": len(found), "output": str(output)}, json=json)


def linz(
    catalog: str = "linz",
    /,
    *,
    surveys: Literal["latest", "published", "all"] = "latest",
    seed: int = 42,
    timeout: float = 30.0,
    output: Output = Path("linz.fgb"),
    json: Json = False,
) -> int:
    """Draw LINZ's scenes as for Clay v1: half of each survey's, at least 10, at most 2000.

    Example: cubestore sample linz --surveys published --output linz.json

    Args:
        catalog: the address or path of LINZ's catalogue or of a collection of it.
        surveys: latest: of each place those of the last year; published: Clay's 39; or all.
        seed: of what is drawn.
        timeout: seconds that a server may take to answer.
        output: the scenes' outlines, .fgb or .parquet; or .json, for `cubestore build --catalog`.
        json: print one JSON object.
    """
    check(output, ITEMS)
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    drawn = sampling.linz(catalog, surveys=surveys, seed=seed, timeout=timeout)
    _write_scenes(drawn, output)
    errors = plain_console(stderr=True)
    for name in drawn.absent:
        errors.print(f"not in the catalogue: {name}")
    rows = [asdict(survey) for survey in drawn.surveys]
    facts = {"output": str(output), "scenes": len(drawn.items)}
    if json:
        show_json({**facts, "surveys": rows, "absent": list(drawn.absent)})
    else:
        show_table(list(rows[0]), [list(row.values()) for row in rows])
        show(facts, json=False)
    return IN_PART if drawn.absent else DONE


def _write_scenes(drawn: "LinzSample", output: Path) -> None:
    if output.suffix != ITEMS:
        write(drawn.table(), output)
        return
    with writable(output):
        replace(output, dumps(drawn.collection()).encode())


def ssl4eo(  # noqa: PLR0913 - a verb's options
    *,
    cities: Path | None = None,
    locations: int = 250_000,
    largest: int = 10_000,
    std: float = 50.0,
    radius: float = 1320.0,
    seed: int = 42,
    compat: Literal["ssl4eo-s12"] | None = None,
    output: Output = Path("ssl4eo.fgb"),
    json: Json = False,
) -> None:
    """Draw places about cities as SSL4EO-S12 does, none nearer than 1.5 radii to another.

    Example: cubestore sample ssl4eo --cities worldcities.csv --locations 250000

    Args:
        cities: CSV or a vector file with positions and populations; without it 35 of our own.
        locations: how many places.
        largest: about how many of the largest cities.
        std: how far from them, of a Gaussian, kilometres.
        radius: half a patch, metres.
        seed: of what is drawn.
        compat: ssl4eo-s12: degrees of longitude as long as at the equator, as the published ones.
        output: the points, .fgb or .parquet; `cubestore build --aoi` takes them.
        json: print one JSON object.
    """
    check(output)
    from cubestore_pipelines import sampling  # noqa: PLC0415 - a second to load

    found = sampling.ssl4eo(
        cities,
        locations=locations,
        largest=largest,
        std=std,
        radius=radius,
        seed=seed,
        compat=compat or "",
    )
    write(found, output)
    about = int(found["city"].nunique())
    show({"places": len(found), "cities": about, "output": str(output)}, json=json)

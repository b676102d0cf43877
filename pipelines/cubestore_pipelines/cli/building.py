"""The verbs ``search``, ``plan`` and ``build``: from a catalogue to cubes."""

from dataclasses import asdict, dataclass, fields
from json import dumps
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cubestore_pipelines import planfile
from cubestore_pipelines.build import Report
from cubestore_pipelines.build import build as carry_out
from cubestore_pipelines.choices import Choices, choices
from cubestore_pipelines.cli.output import Json, show_facts, show_json, show_table, size
from cubestore_pipelines.cli.progress import watched
from cubestore_pipelines.cli.status import DONE, IN_PART
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.plan import Plan, find
from cubestore_pipelines.plan import plan as make_plan

Words = Annotated[tuple[str, ...], Parameter(negative="")]
"""An option that is given once for each word."""

Series = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]
"""An option that takes all words up to the next one."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to build, and from what."""

    catalog: str = ""
    """A provider (planetary-computer, earth-search, usgs, linz, cdse), or the URL or path of a
    STAC API, catalogue, ItemCollection, item, folder of items or stac-geoparquet file."""

    sensor: Words = ()
    """A sensor's id; repeatable."""

    tile: Words = ()
    """A tile's id; repeatable."""

    tiles: Path | None = None
    """A file of tiles: one a line, or a vector file."""

    bbox: Annotated[tuple[float, float, float, float] | None, Parameter(negative="")] = None
    """West, south, east and north in degrees; west > east crosses the antimeridian."""

    aoi: Path | None = None
    """A vector file of the area of interest; it is widened to whole shards."""

    datetime: str = ""
    """A/B in UTC, each a year, month, day, moment or .. for open."""

    bands: Series = ()
    """Bands of the cubes that are created; without it the sensor's standard ones."""

    layers: Series = ()
    """Layers on request that the cubes get that are created; see `cubestore sensors ID`."""

    lossless: bool = False
    """Keep every bit of float pixels in cubes that are created."""

    max_cloud: float | None = None
    """Percent of cloud, as the provider tells."""

    max_nodata: float | None = None
    """Percent without data, as the provider or the footprints tell."""

    max_measured_cloud: float | None = None
    """Percent of the pixels that were read; what is cloudier is left out."""

    max_measured_nodata: float | None = None
    """Percent of the pixels that were read; what is emptier is left out."""

    select: Words = ("all",)
    """Which acquisitions: all, latest, latest-and-another, first-per-month, least-cloudy,
    least-cloudy-per-month, -quarter or -year, random-quarter, seasonal, near:SENSOR:3d;
    random-years:2 and a space before any of them. Repeatable as SENSOR=RULE."""

    seed: int = 0
    """Of what is drawn at random."""

    collection: Words = ()
    """Collections to search; without it those that are known to hold the sensor."""

    skip_item: Words = ()
    """Ids of items to leave out."""

    dn_offset: int | None = None
    """Sentinel-2: what must be added to the digital numbers where items do not tell: -1000 or 0."""

    resampling: str = ""
    """Of pixels that are not the cube's own: nearest, bilinear or cubic; by default bilinear for
    heights and photographs, nearest for all else."""

    view_angles: bool = False
    """Sentinel-2: read the view angles from the granules' metadata where items do not tell them."""

    ocean_zero: bool = False
    """A height of zero where there is no sheet of the elevation model, which is sea."""

    profile: Path | None = None
    """A YAML file that maps a catalogue's collections onto sensors, or a provider that does."""

    allow: Words = ()
    """Hosts and folders, not public, that items of a remote catalogue may point to."""

    timeout: float = 30.0
    """Seconds that a server may take to answer."""

    checksums: bool = True
    """Hold files against the checksums of their items: those on this machine, and small ones."""

    def choices(self) -> Choices:
        """Return the choices that the flags make."""
        return choices(**{field.name: getattr(self, field.name) for field in fields(self)})


def search(
    wanted: Wanted | None = None,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    json: Json = False,
) -> None:
    """List the items of a catalogue that a build would choose from.

    Example: cubestore search --catalog earth-search --sensor sentinel-2-l2a --tile 31UDQ
    --datetime 2023-06

    Args:
        wanted: what to look for, and where.
        output: write them to this file, an ItemCollection that --catalog takes.
        json: print one JSON object.
    """
    found = find((wanted or Wanted()).choices())
    if output is not None:
        collection = {"type": "FeatureCollection", "features": [i.portable() for i in found]}
        output.write_text(dumps(collection), encoding="utf-8")
    rows = [
        {
            "time": f"{item.time:%Y-%m-%dT%H:%M:%SZ}",
            "item": item.id,
            "collection": item.collection,
            "cloud_cover": item.properties.get("eo:cloud_cover"),
        }
        for item in found
    ]
    if json:
        show_json({"items": rows})
    else:
        show_table(list(rows[0]), [list(row.values()) for row in rows])


def plan(
    store: Path,
    /,
    wanted: Wanted | None = None,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o", "--plan"])] = Path("plan.json"),
    json: Json = False,
) -> int:
    """Show what a build would do, and write it to a file that `build --plan` takes.

    Example: cubestore plan STORE --catalog earth-search --sensor sentinel-2-l2a --tile 31UDQ
    --datetime 2023-06/2023-08 --select least-cloudy

    Args:
        store: path of the store; it need not be there yet.
        wanted: what to build, and from what.
        output: the plan's file.
        json: print one JSON object.
    """
    made = make_plan(store, (wanted or Wanted()).choices())
    planfile.save(made, output)
    facts = {**made.summary(), "plan": str(output)}
    refused = [asdict(refusal) for refusal in made.refused]
    if json:
        show_json({**facts, "cubes": _cubes(made), "refused": refused})
    else:
        _show(made)
        show_facts({**facts, "bytes": size(facts["bytes"]) + " before they are encoded"})
    return IN_PART if made.refused else DONE


def build(
    store: Path,
    /,
    wanted: Wanted | None = None,
    *,
    plan: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    json: Json = False,
) -> int:
    """Build or extend cubes; a second run is a no-op, a killed one resumes.

    Example: cubestore build STORE --catalog earth-search --sensor sentinel-2-l2a
    --bbox 2.2 48.8 2.5 49.0 --datetime 2023-06/2023-08 --select least-cloudy

    Args:
        store: path of the store; made where it is not there.
        wanted: what to build, and from what.
        plan: a file that `cubestore plan` wrote, instead of all of these.
        scheduler: address of a dask scheduler; without it processes of this machine.
        workers: how many of them; one a processor.
        json: print one JSON object.
    """
    with watched() as watcher:
        made = _plan(store, wanted, plan)
        report = carry_out(store, made, scheduler=scheduler, workers=workers, watcher=watcher)
    facts = _facts(report)
    if json:
        failures = [asdict(failure) for failure in report.failures]
        left_out = [asdict(measured) for measured in report.left_out]
        show_json({**facts, "failures": failures, "measured": left_out})
    else:
        show_facts({**facts, "cubes": len(report.cubes), "bytes": size(report.bytes)})
    return IN_PART if report.failures else DONE


def _plan(store: Path, wanted: Wanted | None, file: Path | None) -> Plan:
    if file is None:
        return make_plan(store, (wanted or Wanted()).choices())
    if wanted is not None and wanted != Wanted():
        raise PlanError(
            "A plan, and other choices beside it",
            expected="either --plan, or --catalog, --sensor, a place …",
            remedy="make another plan with `cubestore plan`",
        )
    return planfile.load(file)


def _facts(report: Report) -> dict[str, Any]:
    return {
        "store": report.store,
        "cubes": [{"tile": tile, "sensor": sensor} for tile, sensor in report.cubes],
        "committed": len(report.committed),
        "unchanged": report.unchanged,
        "failed": len(report.failures),
        "left_out": len(report.left_out),
        "shards": report.shards,
        "bytes": report.bytes,
    }


def _cubes(made: Plan) -> list[dict[str, Any]]:
    return [
        {
            "tile": one.tile,
            "sensor": one.sensor,
            "bands": list(one.bands),
            "shards": [list(shard) for shard in one.shards],
            "slots": [
                {
                    "time": acquisition.time.isoformat(),
                    "items": [scene.item_id for scene in acquisition.scenes],
                    "dn_offset": acquisition.scenes[0].dn_offset,
                    "dn_offset_source": acquisition.scenes[0].dn_offset_source,
                }
                for acquisition in one.acquisitions
            ],
        }
        for one in made.cubes
    ]


def _show(made: Plan) -> None:
    rows = [
        (one.tile, one.sensor, f"{a.time:%Y-%m-%d %H:%M}", a.item_id, a.scenes[0].dn_offset)
        for one in made.cubes
        for a in one.acquisitions
    ]
    if rows:
        show_table(("tile", "sensor", "time", "items", "dn_offset"), rows)
    with watched() as watcher:
        for refusal in made.refused:
            watcher.failed(refusal)

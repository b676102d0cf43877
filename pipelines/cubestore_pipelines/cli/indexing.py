"""The verb ``index``: which chips there are, and the vectors of their embeddings."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from cubestore.index import SplitRule, index_store
from cubestore.similarity import index_embeddings
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.output import Json, plain_console, show_json, show_table

Compat = Literal["stacchip"] | None


def index(  # noqa: PLR0913 - a verb's options
    store: Path,
    /,
    *,
    sensor: Words = (),
    tile: Words = (),
    chip_size: int = 256,
    compat: Compat = None,
    split: str = "",
    shares: str = "",
    seed: int = 0,
    workers: int | None = None,
    model: str = "",
    json: Json = False,
) -> None:
    """Bring the chip index up to date: cloud, nodata and land cover of every chip, GeoParquet.

    A second run reads nothing but the ends of its files; of cubes that have grown only the new
    slots are counted. Any engine reads STORE/index/chips/*.parquet.

    Example: cubestore index STORE --sensor sentinel-2-l2a --chip-size 256

    Args:
        store: path of the store.
        sensor: only cubes of this sensor; repeatable.
        tile: only cubes of this tile; repeatable.
        chip_size: pixels along a chip's side.
        compat: stacchip: count as stacchip did, with each product's own mask.
        split: give every chip its split by this rule, now and later: block:100km,buffer=2km, or
            hash, time:2022-01-01/2023-01-01, file:PATH.
        shares: of the splits: train=0.8,val=0.1,test=0.1.
        seed: of the split.
        workers: threads; one a processor.
        model: instead of chips, index the vectors of this model's embeddings, so that
            `cubestore nearest` finds them in no time.
        json: print one JSON object.
    """
    if model:
        _embeddings(store, model, sensor, tile, json=json)
        return
    done = index_store(
        store,
        sensors=sensor or None,
        tiles=tile or None,
        chip_size=chip_size,
        compat=compat or "",
        split=SplitRule(rule=split, shares=shares, seed=seed) if split else None,
        workers=workers,
        progress=_Progress(plain_console(stderr=True)),
    )
    if json:
        show_json({"store": str(store), "files": [asdict(one) for one in done]})
        return
    columns = ("tile", "sensor", "chip_size", "chips", "counted", "kept", "state")
    show_table(columns, [[getattr(one, name) for name in columns] for one in done])


def _embeddings(
    store: Path, model: str, sensor: tuple[str, ...], tile: tuple[str, ...], *, json: bool
) -> None:
    done = index_embeddings(store, model=model, sensor=sensor or None, tile=tile or None)
    if json:
        show_json({"store": str(store), "files": [asdict(one) for one in done]})
        return
    columns = ("tile", "sensor", "variable", "vectors", "slots", "state")
    show_table(columns, [[getattr(one, name) for name in columns] for one in done])


@dataclass(slots=True)
class _Progress:
    """Tells how the counting of a cube goes on: a line that is written over on a terminal."""

    console: Console

    def __call__(self, tile: str, sensor: str, done: int, total: int) -> None:
        if self.console.is_terminal or done == total:
            end = "\n" if done == total else "\r"
            self.console.print(f"{tile} {sensor}: {done} of {total} slots counted", end=end)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Question:
    """Which chips."""

    sensor: Words = ()
    """A sensor's id; repeatable."""

    tile: Words = ()
    """A tile's id; repeatable."""

    bbox: Annotated[tuple[float, float, float, float] | None, Parameter(negative="")] = None
    """West, south, east and north in degrees; west > east crosses the antimeridian."""

    datetime: str = ""
    """A/B in UTC, each a year, month, day, moment or .. for open."""

    max_cloud: float | None = None
    """The part of a chip that may be cloud, 0 to 1."""

    max_nodata: float | None = None
    """The part of a chip that may be nodata, 0 to 1."""

    split: Words = ()
    """A split; repeatable."""

    chip_size: int | None = None
    """Pixels; needed where the index has several sizes."""

    where: str = ""
    """A condition on columns: "class_built > 0.2 and platform == 'sentinel-2a'"."""

    def asked(self) -> dict[str, Any]:
        """Return what was asked for."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in told.items() if value not in {None, "", ()}}

"""The verbs ``nearest`` and ``change``: which chips are most like one, and which have changed."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import xarray as xr
from cyclopts import Parameter

import cubestore
from cubestore.index.footprints import centres
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.indexing import Question
from cubestore_pipelines.cli.output import Json, show_facts, show_json, show_table
from cubestore_pipelines.engines import engine_called

Pair = Annotated[tuple[float, float] | None, Parameter(negative="")]
"""Longitude and latitude."""

DIGITS = 6
"""Of a degree and of a distance, as people are shown them."""


def nearest(  # noqa: PLR0913 - a verb's options
    store: str,
    /,
    question: Question | None = None,
    *,
    at: Pair = None,
    time: str = "",
    chip: str = "",
    model: str = "",
    patches: Words = (),
    k: int = 10,
    metric: Literal["cosine", "l2"] = "cosine",
    exact: bool = False,
    candidates: int | None = None,
    engine: Literal["auto", "signs", "faiss", "gpu"] = "auto",
    json: Json = False,
) -> None:
    """List the chips that are most like the one at a place, by a model's embeddings.

    The chip that is asked with is the first. `cubestore index STORE --model ID` makes this quick.
    With --patches it looks among the patches of a set: --chip is then a patch's id.

    Example: cubestore nearest STORE --at 2.35 48.85 --time 2023-06 --k 10 --model rcf

    Args:
        store: path or address of the store.
        question: which chips may be found; other words than sensor, tile, bbox and datetime need
            the chip index.
        at: longitude and latitude of the chip to ask with: the latest one there.
        time: a year, month, day or moment (UTC) from which it is to be.
        chip: instead of a place: the name of a chip.
        model: whose embeddings; may be left out where the store has one model's.
        patches: this patch set, instead of the cubes; repeatable. all: every one with embeddings.
        k: how many.
        metric: cosine (1 - cos of the angle) or l2 (Euclidean).
        exact: measure all vectors, not only those whose signs say that they are near.
        candidates: how many are measured then; 500, or 20 for each of k.
        engine: what finds them: signs, faiss where it is installed, or gpu, which looks at all;
            auto: gpu where there is one and vectors are many, else signs.
        json: print one JSON object.
    """
    asked = (question or Question()).asked()
    asked |= {"exact": True} if exact else {}
    asked |= {"candidates": candidates} if candidates is not None else {}
    finder = engine_called(engine, store, model) if not patches or engine != "auto" else "signs"
    asked |= {"engine": finder} if finder != "signs" else {}
    found = cubestore.nearest(
        store,
        model=model,
        patches=patches,
        at=at,
        time=time,
        chip=chip,
        k=k,
        metric=metric,
        **asked,
    )
    rows = [_row(*one) for one in zip(*(found[n] for n in COLUMNS), strict=True)]
    if patches:
        rows = [{"patches": name, **row} for name, row in zip(found.patches, rows, strict=True)]
    if json:
        show_json({"store": store, "chips": rows})
    else:
        more = ["patches"] if patches else []
        columns = [*more, *COLUMNS[:-1], "lon", "lat"]
        show_table(columns, [[row[name] for name in more] + _shown(row) for row in rows])


COLUMNS = ("chipid", "distance", "time", "geometry")


def _row(chipid: str, distance: float, time: Any, geometry: Any) -> dict[str, Any]:  # noqa: ANN401 - of pandas and shapely
    return {
        "chipid": chipid,
        "distance": distance,
        "time": "" if str(time) == "NaT" else f"{time:%Y-%m-%dT%H:%M:%SZ}",
        "bbox": list(geometry.bounds),
        "center": [float(degrees[0]) for degrees in centres(np.array([geometry]))],
    }


def _shown(row: dict[str, Any]) -> list[Any]:
    lon, lat = (round(degrees, DIGITS) for degrees in row["center"])
    return [row["chipid"], round(row["distance"], DIGITS), row["time"], lon, lat]


def change(  # noqa: PLR0913 - a verb's options
    store: str,
    /,
    *,
    tile: str,
    before: Annotated[str, Parameter(name="--from")],
    after: Annotated[str, Parameter(name="--to")],
    sensor: str = "",
    model: str = "",
    metric: Literal["cosine", "l2"] = "cosine",
    keep: bool = True,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path(),
    json: Json = False,
) -> None:
    """Tell how far each chip's embedding has moved between two dates: a map of what changed.

    It is kept in the cube as a variable, and written as a GeoTIFF and a picture.

    Example: cubestore change STORE --tile 31UDQ --from 2023-06 --to 2024-06 --model rcf

    Args:
        store: path or address of the store.
        tile: the tile's id.
        before: a year, month, day or moment (UTC): the last slot in it that has embeddings.
        after: the same, of the later slot.
        sensor: may be left out where one sensor of the tile has embeddings.
        model: whose embeddings; may be left out where there are one model's.
        metric: cosine (1 - cos of the angle) or l2 (Euclidean).
        keep: keep it in the cube.
        output: the folder of the GeoTIFF and the picture.
        json: print one JSON object.
    """
    found = cubestore.change(
        store,
        tile=tile,
        before=before,
        after=after,
        sensor=sensor,
        model=model,
        metric=metric,
        keep=keep,
    )
    facts = {**_facts(found), **_drawn(found, output), "kept": keep}
    if json:
        show_json({"store": store, **facts})
    else:
        show_facts(facts)


def _facts(found: xr.DataArray) -> dict[str, Any]:
    """Return what was compared, and what came of it."""
    known = found.values[found.notnull().values]
    told = {name: found.attrs[name] for name in ("tile", "sensor", "since", "until")}
    numbers = {"mean": float(known.mean()), "most": float(known.max())} if known.size else {}
    return {**told, "variable": found.name, "chips": int(known.size), **numbers}


def _drawn(found: xr.DataArray, folder: Path) -> dict[str, str]:
    """Write the files; return their paths."""
    from cubestore_pipelines import changemap  # noqa: PLC0415 - rasterio is for this alone

    until = found.attrs["until"].replace("-", "").replace(":", "")[:15]
    name = f"{found.attrs['tile']}-{found.attrs['sensor']}-{found.name}-{until}"
    paths = {"geotiff": folder / f"{name}.tif", "picture": folder / f"{name}.png"}
    changemap.geotiff(found, paths["geotiff"])
    changemap.picture(found, paths["picture"])
    return {what: str(path) for what, path in paths.items()}

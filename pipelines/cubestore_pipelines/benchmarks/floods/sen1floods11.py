"""Sen1Floods11: a folder for each kind of file, in it one file a chip, with all of its bands.

``S1Hand/{event}_{id}_S1Hand.tif`` (VV, VH in decibels), ``S2Hand/…_S2Hand.tif`` (13 bands of
Level-1C) and ``LabelHand/…_LabelHand.tif`` (-1 no data, 0 not water, 1 water), on degrees. When
the sensors passed stands in ``Sen1Floods11_Metadata.geojson``, an event a row; which chips are
for training in ``flood_train_data.csv`` and its like, a chip a row. Both may lie anywhere beside.

Source: Bonafilia et al. (2020), Sen1Floods11, CVPR Workshops; its documentation at
github.com/cloudtostreet/Sen1Floods11.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cubestore_pipelines.benchmarks.floods.chips import Chip
from cubestore_pipelines.errors import DatasetError

RADAR, OPTICAL, LABEL = "S1Hand", "S2Hand", "LabelHand"
METADATA = "Sen1Floods11_Metadata.geojson"
SPLITS = {
    "flood_train_data.csv": "train",
    "flood_valid_data.csv": "validation",
    "flood_test_data.csv": "test",
    "flood_bolivia_data.csv": "bolivia",
}
CODES: Mapping[int, int] = {-1: 255, 0: 0, 1: 1}
MASKS: tuple[str, ...] = ("water",)

ALIASES = {"Mekong": "Cambodia"}
"""What chips call an event that the metadata call by its country."""

ABOVE = 4
"""Folders above the chips in which splits and metadata are looked for: as published,
``v1.1/data/flood_events/HandLabeled`` and ``v1.1/splits/flood_handlabeled``."""

NO_OFFSET = "published in 2020, before there was an offset"


def root(source: Path) -> Path | None:
    """Return the folder of the three kinds, in a source or itself; None where it has none."""
    found = sorted(path.parent for path in source.glob("**/" + LABEL) if path.is_dir())
    return found[0] if found else None


def chips(source: Path, *, incomplete: bool) -> tuple[list[Chip], list[str]]:
    """Return the chips by name, and what the source lacks.

    Args:
        source: the folder of the three kinds, or one above it.
        incomplete: take chips without Sentinel-2, leave out rows and files without a chip; else
            they are refused.

    Raises:
        DatasetError: files that make no chip, rows of no chip, a chip of an unknown event.
    """
    folder = root(source) or source
    files = {kind: _files(folder, kind) for kind in (LABEL, RADAR, OPTICAL)}
    beside = _beside(source)
    splits = dict(_splits(beside))
    names = sorted(files[LABEL].keys() & files[RADAR].keys())
    lacking = [*_without_partner(folder, files), *_without_chip(splits, names)]
    if lacking and not incomplete:
        raise DatasetError(
            lacking[0] + (f", and {len(lacking) - 1} more" if len(lacking) > 1 else ""),
            expected=f"{RADAR}, {OPTICAL} and {LABEL} of every chip, and a chip for every row",
            remedy="complete the source, or take what is there with --incomplete",
        )
    events = _events(beside)
    found = [_chip(name, files, splits, events) for name in names]
    return found, lacking


def _files(folder: Path, kind: str) -> Mapping[str, Path]:
    """Return a kind's files by the names of their chips."""
    ending = f"_{kind}.tif"
    return {p.name.removesuffix(ending): p for p in sorted((folder / kind).glob("*" + ending))}


def _without_partner(folder: Path, files: Mapping[str, Mapping[str, Path]]) -> Iterator[str]:
    every = sorted({name for some in files.values() for name in some})
    for name in every:
        there = [kind for kind, some in files.items() if name in some]
        for kind in (kind for kind in files if kind not in there):
            missing = folder / kind / f"{name}_{kind}.tif"
            yield f"{files[there[0]][name]} of patch {name} has no partner {missing}"


def _without_chip(splits: Mapping[str, tuple[str, str]], names: list[str]) -> Iterator[str]:
    for name in sorted(splits.keys() - set(names)):
        yield f"{splits[name][1]} names the chip {name}, of which there is none"


def _beside(source: Path) -> Mapping[str, Path]:
    """Return the files of metadata and splits, each by its name: those nearest to the chips."""
    places = [source, *source.absolute().parents[:ABOVE]]
    wanted = (METADATA, *SPLITS)
    found = {name: _nearest(places, name) for name in wanted}
    return {name: path for name, path in found.items() if path}


def _nearest(places: list[Path], name: str) -> Path | None:
    patterns = (name, f"splits/{name}", f"splits/flood_handlabeled/{name}")
    there = (place / pattern for place in places for pattern in patterns)
    return next((path for path in there if path.is_file()), None)


def _splits(beside: Mapping[str, Path]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each chip's split, and the file and row that say so."""
    for name, split in SPLITS.items():
        if name not in beside:
            continue
        with beside[name].open(newline="") as file:
            for number, row in enumerate(csv.reader(file), 1):
                chip = (row[0] if row else "").removesuffix(f"_{RADAR}.tif")
                where = f"{beside[name]}, row {number}"
                if not chip or len(row) < len((RADAR, LABEL)) or chip == row[0]:
                    raise DatasetError(
                        f"{where} is {','.join(row)!r}",
                        expected=f"NAME_{RADAR}.tif,NAME_{LABEL}.tif",
                        remedy="get the file again",
                    )
                yield chip, (split, where)


def _events(beside: Mapping[str, Path]) -> Mapping[str, Mapping[str, Any]] | None:
    """Return what is known of each event; None where there is no file of them."""
    if METADATA not in beside:
        return None
    path = beside[METADATA]
    try:
        rows = json.loads(path.read_text())["features"]
    except (ValueError, LookupError, TypeError) as error:
        raise _not_understood(str(path), error) from None
    events = {}
    for number, row in enumerate(rows, 1):
        try:
            events[row["properties"]["location"]] = _event(row["properties"])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise _not_understood(f"{path}, row {number},", error) from None
    return events


def _not_understood(where: str, error: Exception) -> DatasetError:
    return DatasetError(
        f"{where} cannot be understood: {type(error).__name__}: {error}",
        expected="a FeatureCollection with location, s1_date, s2_date, orbit, rel_orbit_num",
        remedy="get the file again",
    )


def _event(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the columns that a row tells."""
    return {
        "time": _day(row["s2_date"]),
        "time_s1": _day(row["s1_date"]),
        "orbit_state_s1": row["orbit"].lower(),
        "relative_orbit_s1": int(row["rel_orbit_num"]),
    }


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y/%m/%d").replace(tzinfo=UTC)


def _chip(
    name: str,
    files: Mapping[str, Mapping[str, Path]],
    splits: Mapping[str, tuple[str, str]],
    events: Mapping[str, Mapping[str, Any]] | None,
) -> Chip:
    event = name.rpartition("_")[0]
    location = ALIASES.get(event, event)
    if events is not None and location not in events:
        raise DatasetError(
            f"{files[LABEL][name]} of patch {name} is of the event {event!r}",
            expected=f"one of those in {METADATA}: {', '.join(sorted(events))}",
            remedy="get the metadata again, or leave the chip out of the source",
        )
    optical = files[OPTICAL].get(name)
    return Chip(
        id=name,
        event=event,
        split=splits.get(name, ("", ""))[0],
        optical=(optical,) if optical else (),
        radar=(files[RADAR][name],),
        labels={MASKS[0]: files[LABEL][name]},
        columns={**(events[location] if events else {}), "dn_offset_source": NO_OFFSET},
    )

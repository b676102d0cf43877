"""The folder of a catalogue: a file for each item and collection, and GeoParquet for all of them.

Every file is replaced in one step, items before the collections that list them, so that who reads
meanwhile sees the old or the new of each. The catalogue can always be written anew, so nothing is
synced.
"""

import shutil
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import orjson

from cubestore import disk
from cubestore_catalog.stac import collections, parquet
from cubestore_catalog.stac.records import CATALOG_FILE, Json

Place = tuple[str, str]
"""The ids of a collection and an item."""


def write(folder: Path, old: Mapping[Place, Json], new: Mapping[Place, Json]) -> list[Place]:
    """Make a folder hold these items, and nothing of ours besides; return which have changed.

    Args:
        folder: of the catalogue.
        old: the items that it holds.
        new: those that it shall hold.
    """
    changed = {place: item for place, item in new.items() if old.get(place) != item}
    kept = (place for place in new if place not in changed)
    lost = {place: new[place] for place in kept if not _file(folder, place).exists()}
    for place, item in {**changed, **lost}.items():
        _put(_file(folder, place), item)
    gone = set(old) - set(new)
    _write_collections(folder, new, {home for home, _ in [*changed, *gone]})
    _remove(folder, set(new))
    return [*changed]


def gathered(new: Mapping[Place, Json]) -> Iterator[tuple[str, list[Json]]]:
    """Yield the id of each collection with its items, by their ids."""
    for home, places in groupby(sorted(new), key=itemgetter(0)):
        yield home, [new[place] for place in places]


def _file(folder: Path, place: Place) -> Path:
    home, name = place
    return folder / home / name / f"{name}.json"


def _write_collections(folder: Path, new: Mapping[Place, Json], changed: set[str]) -> None:
    """Write the collections in which something has changed, then the catalogue that lists them."""
    titles = {}
    for home, members in gathered(new):
        document = collections.collection(home, members)
        titles[home] = document["title"]
        if home in changed or not (folder / home / parquet.FILE).exists():
            parquet.write(folder / home / parquet.FILE, members, document)
        _put(folder / home / "collection.json", document)
    _put(folder / CATALOG_FILE, collections.catalog(titles))


def _put(path: Path, document: Json) -> None:
    """Write a document unless it is there already."""
    data = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    disk.sweep(path.parent)  # who was killed while writing it left a part
    disk.replace(path, data, synced=False)


def _remove(folder: Path, new: set[Place]) -> None:
    """Remove the collections and items that no cube has any more, and nothing that is not ours."""
    homes = {home for home, _ in new}
    for home in folder.iterdir():
        if not (home / "collection.json").is_file():
            continue
        if home.name not in homes:
            _clear(home)
            continue
        for item in home.iterdir():
            if (item / f"{item.name}.json").is_file() and (home.name, item.name) not in new:
                shutil.rmtree(item)


def _clear(home: Path) -> None:
    """Remove a collection, and last the file by which whoever goes on after a kill knows it."""
    for entry in home.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "collection.json":
            entry.unlink()
    shutil.rmtree(home)

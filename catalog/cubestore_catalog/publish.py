"""A store's cubes as a static STAC catalogue: JSON that links to itself, and GeoParquet beside it.

Only what was committed to since the last run is looked at: an item keeps the checksum of its
group's ``zarr.json``.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from cubestore import disk, lock, stac
from cubestore.cube import Cube, cube_at
from cubestore.errors import CubestoreError, LockedError
from cubestore.patches import PatchSet
from cubestore.records import COMMIT, METADATA, Root
from cubestore.store import Store, open_store
from cubestore_catalog import written
from cubestore_catalog.errors import ItemError
from cubestore_catalog.search.parquet import load, read
from cubestore_catalog.stac import (
    collections,
    items,
    parquet,
    set_vectors,
    sets,
    snapshot,
    vectors,
)
from cubestore_catalog.stac.records import CATALOG, CATALOG_FILE, Json

log = logging.getLogger(__name__)

WAIT = 60.0
"""Seconds to wait for another who writes the catalogue."""

AT_ONCE = 8
"""Cubes that are described at once."""

Groups = Mapping[str, list[Json]]
"""Where a cube or a patch set lies in the store -> its items."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a run wrote."""

    catalog: str
    """Path of ``catalog.json``."""

    items: int
    """How many the catalogue has."""

    written: int
    """Items that are new or have changed."""

    removed: int
    """Items of what is not in the store any more."""

    collections: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Where a cube or a patch set lies in the store -> why it could not be described; the items
    that it had stay."""


def publish(store: str | os.PathLike[str], *, attributes: bool = True) -> Published:
    """Write a store's catalogue, or bring it up to date.

    Args:
        store: path of the store.
        attributes: put each cube's item into the cube's own attributes too, a commit for each cube
            that has changed; those that somebody writes to meanwhile get theirs the next time.

    Returns:
        What was written.

    Raises:
        NotAStoreError: the path holds no store.
        NotWritableError: the store is not on a file system, or the disk is read-only or full.
    """
    opened = open_store(store)
    folder = disk.path_of(opened.path) / CATALOG
    with disk.writable(folder):
        disk.make_directory(folder)
    with lock.hold(folder / ".lock", WAIT), disk.writable(folder):
        before = _known(folder)
        failed: dict[str, str] = {}
        now = dict(_described(opened, before, failed, attributes=attributes))
        return _published(folder, before, now, failed)


def records(store: str | os.PathLike[str]) -> tuple[Sequence[Mapping[str, Any]], list[Json]]:
    """Return the items and collections that `publish` would write; nothing is written.

    Where nothing has changed they are those that were written, each made when it is asked for.

    Raises:
        NotAStoreError: the path holds no store.
        NotWritableError: the store is not on a file system.
    """
    opened, failed = open_store(store), dict[str, str]()
    folder = disk.path_of(opened.path) / CATALOG
    before = _known(folder)
    found = _with_models(dict(_described(opened, before, failed, attributes=False)))
    for path, why in failed.items():
        log.warning("%s: %s", path, why)
    if found == _by_place(before) and (folder / CATALOG_FILE).exists():
        return load(opened.path)
    made = [collections.collection(home, members) for home, members in written.gathered(found)]
    return [*found.values()], made


def _known(folder: Path) -> Groups:
    """Return the items of the catalogue as it is, by what they are of; none where it is damaged."""
    found: dict[str, list[Json]] = {}
    for file in sorted(folder.glob(f"*/{parquet.FILE}")):
        try:
            members = read(file)
        except ItemError as error:
            log.warning("Written anew: %s", error)
            continue
        for item in members:
            found.setdefault(item["properties"].get(items.PATH, ""), []).append({**item})
    return found


def _described(
    store: Store, before: Groups, failed: dict[str, str], *, attributes: bool
) -> Iterator[tuple[str, list[Json]]]:
    """Yield the items of each cube and set; what fails is noted, and keeps those that it had.

    Several at once: a commit waits for the disk for most of its time.
    """

    def described(one: Cube | PatchSet) -> tuple[str, list[Json]]:
        path = one.path.removeprefix(f"{store.path}/")
        old = before.get(path, [])
        try:
            return path, _made(one, old, attributes=attributes)
        except CubestoreError as error:
            failed[path] = str(error)
            return path, old

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(described, _groups(store))


def _made(one: Cube | PatchSet, old: list[Json], *, attributes: bool) -> list[Json]:
    """Return the items of a cube or a set; those that it had where they are still true."""
    data = Path(one.path, METADATA).read_bytes()
    checksum = snapshot.checksum_of(data)
    asked = attributes and isinstance(one, Cube)
    if _is_current(old, checksum) and not (asked and _lacks_item(data)):
        return old
    if isinstance(one, Cube):
        return _of_cube(one, attributes=attributes)
    seen = sets.seen(one, checksum)
    return [sets.set_item(seen), *set_vectors.vectors_items(seen)]


def _lacks_item(data: bytes) -> bool:
    """Return whether a cube's root holds no item, or one as of an earlier commit."""
    attributes = orjson.loads(data)["attributes"]
    held = stac.item_in(attributes)
    return held is None or held["properties"].get(COMMIT) != attributes[COMMIT]["number"]


def _groups(store: Store) -> Iterator[Cube | PatchSet]:
    """Yield every cube and patch set, whatever state it is in."""
    for tile, sensor in store.cubes():
        yield cube_at(store.path, tile, sensor)
    for name in store.patch_sets():
        yield PatchSet(store.path, name)


def _is_current(known: list[Json], checksum: str) -> bool:
    told = known[0]["properties"] if known else {}
    return bool(items.as_made(checksum).items() <= told.items())


def _of_cube(cube: Cube, *, attributes: bool) -> list[Json]:
    """Return the items of a cube, none of one without slots."""
    data = Path(cube.path, METADATA).read_bytes()
    root = Root.parse(data, cube.path)
    seen = snapshot.snapshot(cube, root)
    if not seen.seen:
        return []
    made = _items(seen, snapshot.checksum_of(data))
    if attributes and stac.item_in(root.attributes) != items.within(made[0]):
        return _kept(cube, root, made)
    return made


def _kept(cube: Cube, seen: Root, made: list[Json]) -> list[Json]:
    """Put a cube's item into its attributes, unless somebody writes to the cube or just has.

    The item names the commit that holds it, so that it stays true as long as that is the newest.

    Args:
        cube: whose item.
        seen: the state that the items are of.
        made: its item, and those of its embeddings.

    Returns:
        The items as of the newest commit that is known of.
    """
    inside = items.within(items.as_of(made[0], seen.number + 1, "", ""))
    try:
        with cube.write(wait=0) as writer:
            if writer.root.digest != seen.digest:
                return made
            root = writer.describe_item(inside)
    except LockedError:
        return made
    updated = cube.control.record(root.number, root.digest).created
    checksum = snapshot.checksum_of(root.to_bytes())
    return [items.as_of(item, root.number, updated, checksum) for item in made]


def _items(seen: snapshot.Snapshot, checksum: str) -> list[Json]:
    held = vectors.held(seen)
    models = [embedding.model for embedding, _ in held]
    made = [vectors.vectors_item(seen, one, slots, checksum) for one, slots in held]
    return [items.cube_item(seen, models=models, checksum=checksum), *made]


def _published(folder: Path, before: Groups, now: Groups, failed: Mapping[str, str]) -> Published:
    old, new = _by_place(before), _with_models(now)
    changed = written.write(folder, old, new)
    return Published(
        catalog=str(folder / CATALOG_FILE),
        items=len(new),
        written=len(changed),
        removed=len(set(old) - set(new)),
        collections=tuple(sorted({home for home, _ in new})),
        failed=dict(sorted(failed.items())),
    )


def _with_models(groups: Groups) -> dict[written.Place, Json]:
    found = _by_place(groups)
    models = vectors.model_items([i for i in found.values() if vectors.FACTS in i["properties"]])
    return found | {_place(item): item for item in models}


def _by_place(groups: Groups) -> dict[written.Place, Json]:
    return {_place(item): item for members in groups.values() for item in members}


def _place(item: Json) -> written.Place:
    return item["collection"], item["id"]

"""A small archive with known truth: files and items on disk, and what a cube of them must hold.

What is there is kept, so an archive that was interrupted is completed.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from odc.geo.geobox import GeoBox

from cubestore_pipelines.interrupts import kept_from_workers, waiting
from cubestore_pipelines.simulate import linz, rasters, scenes
from cubestore_pipelines.simulate.granules import Granule
from cubestore_pipelines.simulate.linz import Sheet
from cubestore_pipelines.simulate.plans import (
    NEIGHBOUR,
    PLACE,
    SIDE,
    TILE,
    TINY,
    Planned,
    demo_plan,
    everything_plan,
    shown_plan,
    tiny_everything_plan,
    tiny_plan,
)
from cubestore_pipelines.simulate.published import BLOBS, Json
from cubestore_pipelines.simulate.rasters import Layers
from cubestore_pipelines.simulate.scenes import Scene
from cubestore_pipelines.simulate.sentinel2 import GranuleScene

__all__ = [
    "NEIGHBOUR",
    "PLACE",
    "SIDE",
    "TILE",
    "TINY",
    "Archive",
    "demo_plan",
    "everything_plan",
    "make_archive",
    "shown_plan",
    "tiny_everything_plan",
    "tiny_plan",
]


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the files of some scenes are, and what is in them."""

    directory: Path
    granules: tuple[Planned, ...]
    """Those of Sentinel-2, and the other missions' scenes."""

    @property
    def blobs(self) -> Path:
        """The folder of the storage accounts; in each its containers, in each its blobs."""
        return self.directory / BLOBS

    @property
    def scenes(self) -> Iterator[Scene]:
        """The granules as scenes."""
        return map(_scene, self.granules)

    @property
    def items(self) -> list[Json]:
        """The items to be searched: collection by collection, in the order of `granules`.

        Those of LINZ are not among them: nobody can search its catalogue.
        """
        return [item for name in self._searched for item in self._read(name)["features"]]

    @property
    def collections(self) -> list[Json]:
        """The collections to be searched."""
        return [self._read(f"{name}.collection") for name in self._searched]

    @property
    def linz_catalog(self) -> Path:
        """The static catalogue of LINZ's surveys, there if the plan has some."""
        return linz.home(self.directory) / linz.CATALOG

    def granule(self, name: str) -> Planned:
        """Return the granule of an item's id, or of its collection's and its id: ``naip/ks_…``."""
        return next(
            one
            for one, scene in zip(self.granules, self.scenes, strict=True)
            if name in (scene.item_id, f"{scene.collection}/{scene.item_id}")
        )

    def truth(self, grid: GeoBox, *item_ids: str, bands: Sequence[str] | None = None) -> Layers:
        """Return what a cube must hold in the slot of an item, or of several items' mosaic.

        Nothing is read: it is computed from the landscape again. Where the cube's pixels are not
        the file's, each is the one that holds its centre. Floats are not rounded yet.

        Args:
            grid: a part of the cube's pixels.
            item_ids: the items, of one sensor; where they overlap they show the same.
            bands: names of the sensor's bands; its standard ones where None.

        Returns:
            The variables of a cube of that sensor as stored, the optional ones too: the pixels
            ``(band, y, x)``, the others ``(y, x)``.
        """
        chosen = [_scene(self.granule(name)) for name in item_ids]
        sensor = chosen[0].sensor
        layers = [scene.truth(grid, bands) for scene in chosen]
        return scenes.classified(sensor, rasters.merged(layers, scenes.nodata(sensor)))

    @property
    def _searched(self) -> list[str]:
        return _names(scene for scene in self.scenes if not isinstance(scene, Sheet))

    def _read(self, name: str) -> Json:
        document: Json = json.loads((self.directory / f"{name}.json").read_text())
        return document


def make_archive(directory: Path, plan: Sequence[Planned] = (), *, workers: int = 0) -> Archive:
    """Make an archive, or complete it.

    Args:
        directory: where; made where it is not there.
        plan: its granules; the demo's where none are given.
        workers: processes that share the work; 0 does it in this one. A program that has others
            work keeps what it does behind ``if __name__ == "__main__"``.

    Raises:
        FileExistsError: an archive of other granules is there.
    """
    archive = Archive(directory, tuple(plan or demo_plan()))
    _claim(directory / "plan.sha256", archive.granules)
    _write_all(archive, workers)
    surveys = []
    for name, some in _by_collection(archive).items():
        features = [json.loads(_record(directory, scene).read_text()) for scene in some]
        listing = {"type": "FeatureCollection", "features": features}
        collection = some[0].gathered(features)
        rasters.write_text(directory / f"{name}.json", json.dumps(listing))
        rasters.write_text(directory / f"{name}.collection.json", json.dumps(collection))
        surveys += [(some[0].survey, collection)] if isinstance(some[0], Sheet) else []
    if surveys:
        linz.write_catalog(directory, surveys)
    return archive


def _write_all(archive: Archive, workers: int) -> None:
    """Write what is not there yet."""
    directory = archive.directory
    left = [scene for scene in archive.scenes if not _record(directory, scene).exists()]
    if not workers or not left:
        for scene in left:
            _write(scene, directory)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"))
    try:
        with waiting(), kept_from_workers():
            written = [pool.submit(_write, scene, directory) for scene in left]
        for done in written:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write(scene: Scene, directory: Path) -> None:
    """Write the files of a scene and, when they are whole, its item."""
    item = scene.write(directory)
    rasters.write_text(_record(directory, scene), json.dumps(item, indent=1))


def _record(directory: Path, scene: Scene) -> Path:
    """Return the file of a scene's item."""
    folder = directory / "items"
    folder = folder / scene.collection if isinstance(scene, Sheet) else folder
    return folder / f"{scene.item_id}.json"


def _scene(one: Planned) -> Scene:
    return GranuleScene(one) if isinstance(one, Granule) else one


def _names(some: Iterable[Scene]) -> list[str]:
    """Return the collections of some scenes, each once."""
    return list(dict.fromkeys(scene.collection for scene in some))


def _by_collection(archive: Archive) -> Mapping[str, list[Scene]]:
    some = list(archive.scenes)
    return {name: [scene for scene in some if scene.collection == name] for name in _names(some)}


def _claim(path: Path, plan: Sequence[Planned]) -> None:
    """Note which plan a directory is for, or refuse one that is for another."""
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        rasters.write_text(path, digest)
    if path.read_text() != digest:
        raise FileExistsError(f"{path.parent} holds an archive of other scenes: use another folder")

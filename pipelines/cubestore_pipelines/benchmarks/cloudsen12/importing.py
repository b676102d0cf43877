"""CloudSEN12's files -> patch sets, a few patches at a time.

All tables, sizes and headers are checked before the first byte is written; codes of labels and
what lies outside of the images while they go by. A set appears whole or not at all; one that was
written already from the same files is left as it is, so that an import that stopped goes on.
"""

from collections.abc import Sequence
from pathlib import Path

from cubestore_pipelines.benchmarks.cloudsen12 import geotiffs, memmaps
from cubestore_pipelines.benchmarks.cloudsen12.columns import Resplit
from cubestore_pipelines.benchmarks.cloudsen12.padding import parse
from cubestore_pipelines.benchmarks.cloudsen12.resplit import Compat
from cubestore_pipelines.benchmarks.cloudsen12.sets import DATASET, planned
from cubestore_pipelines.benchmarks.cloudsen12.source import Part, Source, folder_split, part_of
from cubestore_pipelines.benchmarks.imported import Imported, Progress, carried_out
from cubestore_pipelines.errors import DatasetError


def import_cloudsen12(  # noqa: PLR0913 - a verb's options
    source: str | Path,
    store: str | Path,
    *,
    part: Part | None = None,
    bands: Sequence[str] | None = None,
    padding: str = "find",
    resplit: Sequence[float] | None = None,
    seed: int = 42,
    compat: Compat = "",
    limit: int | None = None,
    plan_only: bool = False,
    progress: Progress | None = None,
) -> list[Imported]:
    """Write the patch sets of CloudSEN12 that lie in a folder.

    Args:
        source: a folder of ``.dat`` files with ``metadata.csv``, or one of such folders, which
            become ``cloudsen12/high-train`` and so on; or folders of patches as GeoTIFF, which
            become ``cloudsen12/high``.
        store: path of the store, made when it is not there.
        part: only this part, as the labels tell it; None: all.
        bands: of Sentinel-2, those that are taken (``B04``); None: all, and all must be there.
        padding: where the image lies in its canvas: find, around, left-bottom, TOP,LEFT, or none.
        resplit: shares of train, val and test, drawn anew by regions of interest: a part's folders
            become one set, ``cloudsen12/high-resplit-42``.
        seed: of ``resplit``.
        compat: by-image: draw images, as the data set's card does.
        limit: take the first so many patches of each set.
        plan_only: tell what would be written, and write nothing.
        progress: who is told how it goes on.

    Raises:
        DatasetError: files that are not as published; no part of their set was written.
        QueryError: a padding or shares that are none.
        CubeExistsError: a set is there, made from other files or with other options.
    """
    drawn = Resplit(shares=tuple(resplit), seed=seed, compat=compat) if resplit else None
    found = sources(Path(source), part=part, bands=bands, stated=padding)
    plans = [planned(name, some, drawn, limit) for name, some in _sets(found, drawn).items()]
    return carried_out(plans, store, plan_only=plan_only, progress=progress)


def sources(
    path: Path, *, part: Part | None, bands: Sequence[str] | None, stated: str
) -> list[Source]:
    """Return the folders that make sets, each checked.

    Raises:
        DatasetError: there is none, or one is not as published.
        QueryError: a padding that is none.
    """
    place = parse(stated)
    folders = sorted({file.parent for file in path.rglob(f"*{memmaps.ENDING}")})
    parts = {folder: part_of(memmaps.planes(folder)) for folder in folders}
    chosen = [folder for folder in folders if part in {None, parts[folder]}]
    found: list[Source] = [memmaps.open_folder(f, bands=bands, stated=place) for f in chosen]
    if not folders and geotiffs.is_geotiffs(path):
        patches = geotiffs.open_patches(path, bands=bands)
        parts[path] = part_of(patches.dtypes)
        found = [patches] if part in {None, parts[path]} else []
    if found:
        return found
    raise DatasetError(
        f"{path} has {', '.join(sorted({*parts.values()})) or 'nothing'} of CloudSEN12",
        expected=f"{part or 'high, scribble or nolabel'}: folders of .dat files, or of S2L1C.tif",
        remedy="give the folder that the data set was unpacked into",
    )


def _sets(found: Sequence[Source], drawn: Resplit | None) -> dict[str, list[Source]]:
    """Return the sets: name -> its sources, in order."""
    made: dict[str, list[Source]] = {}
    for source in found:
        last = str(drawn) if drawn else folder_split(source)
        name = f"{DATASET}/{'-'.join(filter(None, [part_of(source.dtypes), last]))}"
        if name in made and not drawn:
            raise DatasetError(
                f"{made[name][0].path} and {source.path} are both {name}",
                expected="a folder of each",
                remedy="import them into stores of their own, or give one of them as the source",
            )
        made.setdefault(name, []).append(source)
    return made

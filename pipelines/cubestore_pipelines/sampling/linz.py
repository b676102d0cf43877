"""LINZ's scenes for Clay v1: half of those of each survey, of each place the latest surveys.

LINZ has no search; Clay listed the bucket of each survey and drew from its files: half, at least
10, at most 2000, with a seed of 42 for each (Clay-foundation/stacchip, processors/
linz_processor.py at 2842529). The static catalogue lists the same files, so the same are drawn.
"""

import random
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urldefrag

from cubestore_pipelines import documents
from cubestore_pipelines.addresses import policy
from cubestore_pipelines.errors import DatasetError, NothingFoundError
from cubestore_pipelines.items import Item, parse, resolve
from cubestore_pipelines.sampling.surveys import PUBLISHED
from cubestore_pipelines.search import catalog as catalog_of

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LEAST, MOST = 10, 2000
"""Scenes of a survey."""

SEED = 42
AT_ONCE = 8
"""Documents that are read at a time."""

_SURVEY = re.compile(
    r"(?P<region>[a-z-]+)/(?P<place>[^/_]+)_(?:\d{4}-)?(?P<year>\d{4})_(?P<gsd>[\d.]+m)/rgb/"
)
"""A survey's part of an address: its last year, and what it shows. Near infrared is another's."""

Which = Literal["latest", "published", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One collection of the catalogue."""

    name: str
    """``wellington/wellington_2021_0.3m``."""

    place: str
    """``wellington/wellington``: surveys of it follow one another."""

    year: int
    """The last in which it was flown."""

    address: str
    """Of the collection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What came of a survey."""

    survey: str
    scenes: int
    drawn: int


@dataclass(frozen=True, slots=True, eq=False)
class LinzSample:
    """Scenes of surveys."""

    items: tuple[Item, ...]
    surveys: tuple[Drawn, ...]
    absent: tuple[str, ...] = ()
    """Published surveys that the catalogue does not have."""

    def table(self) -> "GeoDataFrame":
        """Return the scenes' outlines: ``name``, ``kind``, ``survey``, and ``start``."""
        import geopandas  # noqa: PLC0415 - half a second, for those who need it

        surveys = [one.survey for one in self.surveys for _ in range(one.drawn)]
        columns = {"name": [item.id for item in self.items], "kind": "linz", "survey": surveys}
        columns["start"] = [f"{item.time:%Y-%m-%dT%H:%M:%SZ}" for item in self.items]
        outlines = [item.geometry for item in self.items]
        return geopandas.GeoDataFrame(columns, geometry=outlines, crs="EPSG:4326")

    def collection(self) -> dict[str, object]:
        """Return the scenes as an ItemCollection, which ``--catalog`` takes."""
        return {"type": "FeatureCollection", "features": [one.portable() for one in self.items]}


def linz(
    catalog: Path | str = "linz",
    *,
    surveys: Which = "latest",
    seed: int = SEED,
    timeout: float = 30.0,
) -> LinzSample:
    """Return half of the scenes of each survey, at least 10 and at most 2000.

    Args:
        catalog: the provider, or the address or path of LINZ's catalogue or of a collection.
        surveys: ``latest``: of each place those of the last year; ``published``: the 39 that
            Clay took; ``all``.
        seed: of what is drawn, of each survey anew.
        timeout: seconds that a server may take to answer.

    Raises:
        CatalogError: the catalogue cannot be read.
        NothingFoundError: it has no such survey.
        DatasetError: a scene of it has no footprint.
    """
    address = catalog_of(str(catalog)).address
    load = partial(documents.load, timeout=timeout, policy=policy(address))
    there = _surveys(documents.load(address, timeout=timeout), address)
    chosen = latest(there) if surveys == "latest" else there
    if surveys == "published":
        chosen = [one for one in there if one.name in PUBLISHED]
    items, told = list[Item](), list[Drawn]()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for survey in sorted(chosen, key=lambda one: one.name):
            addresses = _links(load(survey.address), survey.address, "item")
            drawn = draw(addresses, seed)
            items += [_item(*both) for both in zip(pool.map(load, drawn), drawn, strict=True)]
            told.append(Drawn(survey=survey.name, scenes=len(addresses), drawn=len(drawn)))
    if not items:
        raise NothingFoundError(
            f"{catalog} has no survey to draw from",
            expected="collections at REGION/PLACE_YEAR_GSD/rgb/2193/collection.json",
            remedy="give LINZ's catalogue, or --surveys all",
        )
    absent = set(PUBLISHED) - {one.survey for one in told} if surveys == "published" else set()
    return LinzSample(tuple(items), tuple(told), tuple(sorted(absent)))


def draw(addresses: Iterable[str], seed: int = SEED) -> list[str]:
    """Return some of a survey's scenes, as Clay drew its files: they come in the bucket's order."""
    there = sorted(addresses)
    size = max(min(len(there) // 2, MOST), LEAST)
    return random.Random(seed).sample(there, min(size, len(there)))  # noqa: S311 - a sample, no secret


def latest(surveys: Sequence[Survey]) -> list[Survey]:
    """Return the surveys of each place's last year: of one there may be several, of other GSDs."""
    last: dict[str, int] = {}
    for one in surveys:
        last[one.place] = max(last.get(one.place, 0), one.year)
    return [one for one in surveys if one.year == last[one.place]]


def survey_at(address: str) -> Survey | None:
    """Return the survey of a collection's address; None where it is of no survey in colours."""
    found = _SURVEY.search(address)
    if found is None:
        return None
    name = found[0].removesuffix("/rgb/")
    place = f"{found['region']}/{found['place']}"
    return Survey(name=name, place=place, year=int(found["year"]), address=address)


def _surveys(document: documents.Json, address: str) -> list[Survey]:
    """Return the surveys of a catalogue, or the one of a collection."""
    collections = [address] if document.get("type") == "Collection" else []
    found = map(survey_at, collections or _links(document, address, "child"))
    return [one for one in found if one is not None]


def _links(document: documents.Json, address: str, relation: str) -> list[str]:
    links = (link for link in documents.links(document) if link.get("rel") == relation)
    return [urldefrag(resolve(address, str(link.get("href", ""))))[0] for link in links]


def _item(document: documents.Json, address: str) -> Item:
    item = parse(document, base=address)
    if item.geometry is None:
        raise DatasetError(
            f"{address} has no geometry",
            expected="a scene with its footprint",
            remedy="report it to LINZ",
        )
    return item

"""Place, time, sensor -> the items of a catalogue, of whatever kind it is.

A catalogue is a provider's name, the address of a STAC API, or the address or path of a static
catalogue, an ItemCollection, an item, a folder of items or a stac-geoparquet file. What cannot
search for itself is read whole and searched here. Every answer is checked here again: an API that
pages for ever, or repeats itself, ends in an error or is taken once.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pystac_client
import shapely
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout
from urllib3 import Retry

from cubestore.sensors import Sensor
from cubestore_pipelines import documents
from cubestore_pipelines.deadline import within
from cubestore_pipelines.errors import CatalogError, ItemError
from cubestore_pipelines.items import Item, parse
from cubestore_pipelines.providers import Provider, providers

PAGE = 100
"""Items asked for at once: Sentinel-2's are 30 kB each."""

MOST_ITEMS = 100_000
"""Of one search: more is an API that pages for ever, or a build nobody can review."""

COUNTED = 10_000
"""Up to so many items servers count; beyond they may estimate."""

CONNECT, RETRIES = 10.0, 4
PAUSES = 0.5
"""Seconds before the first try again; each next pause is twice as long."""

PATIENCE = 45.0
"""Seconds beyond the time-out in which an answer must begin, with all that is tried again."""

LONGEST_PAUSE = 8
"""Seconds, whatever a server asks for."""

TRANSIENT = (429, 500, 502, 503, 504)
"""What a server says that may do better the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Where to search."""

    address: str
    """Of the API or file: URL or path."""

    profile: Provider | None = None
    """How its collections map onto sensors, where that is known beforehand."""


def catalog(name: str, profile: Provider | None = None) -> Catalog:
    """Return the catalogue of a provider's name, an address or a path; a profile is the user's."""
    if known := providers().get(name):
        return Catalog(address=known.url, profile=profile or known)
    address = name or (profile.url if profile else "")
    local = "://" not in address
    return Catalog(address=str(Path(address).absolute()) if local else address, profile=profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to search for."""

    sensor: Sensor
    area: shapely.Geometry
    """In lon/lat, cut in parts at the antimeridian."""

    start: datetime | None = None
    end: datetime | None = None
    """UTC; both ends belong to it; None: open."""

    collections: tuple[str, ...] = ()
    """Where the user names them."""

    def matches(self, item: Item) -> bool:
        """Whether an item lies in the area and the time."""
        here = item.geometry is None or item.geometry.intersects(self.area)
        late = self.start is not None and item.time_end < self.start
        early = self.end is not None and item.time > self.end
        wanted = not self.collections or item.collection in self.collections
        return here and wanted and not late and not early

    def enters(self, collection: Mapping[str, Any]) -> bool:
        """Whether a collection may hold what is searched for, by its id and extent."""
        if self.collections and collection.get("id") not in self.collections:
            return False
        boxes = collection.get("extent", {}).get("spatial", {}).get("bbox") or ()
        whole = [box for box in boxes[:1] if len(box) in {4, 6}]
        return all(self._meets(box) for box in whole)

    def _meets(self, box: Sequence[float]) -> bool:
        """Whether a box of four or six numbers has a part in the area."""
        west, south, east, north = box[0], box[1], box[len(box) // 2], box[len(box) // 2 + 1]
        spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
        return any(self.area.intersects(shapely.box(w, south, e, north)) for w, e in spans)


@dataclass(frozen=True, slots=True)
class Result:
    """Items found, and those that could not even be read."""

    items: tuple[Item, ...]
    unreadable: tuple[tuple[str, ItemError], ...] = ()
    """The id, as far as there is one, and what is wrong."""


def search(where: Catalog, query: Query, *, timeout: float = 60.0) -> Result:
    """Return the items of a catalogue that match, each once, by time.

    Args:
        where: the catalogue.
        query: what to search for.
        timeout: seconds that any answer may take.

    Raises:
        CatalogError: it cannot be reached, is no catalogue, or does not come to an end.
    """
    found: dict[tuple[str, str], Item] = {}
    unreadable: list[tuple[str, ItemError]] = []
    for document, base in _documents(where, query, timeout):
        try:
            item = parse(document, base=base)
        except ItemError as error:
            unreadable.append((_name(document), error))
            continue
        if query.matches(item):
            found.setdefault((item.collection, item.id), item)
    ordered = sorted(found.values(), key=lambda item: (item.time, item.id, item.collection))
    return Result(tuple(ordered), tuple(unreadable))


def _name(document: object) -> str:
    return str(document.get("id", "")) if isinstance(document, Mapping) else ""


def interval(text: str) -> tuple[datetime | None, datetime | None]:
    """Return the start and end of ``A/B``, ``A`` alone, ``A/..`` or ``../B``, in UTC.

    A part may be a year, a month, a day or a moment; an end includes all of it.

    Raises:
        ValueError: it is none of these.
    """
    first, slash, last = text.partition("/")
    last = last if slash else first
    start = None if first in {"", ".."} else _moments(first)[0]
    end = None if last in {"", ".."} else _moments(last)[1]
    if start and end and start > end:
        raise ValueError(f"{text} ends before it begins")
    return start, end


def _moments(text: str) -> tuple[datetime, datetime]:
    """Return the first and the last moment of a year, month, day, or a moment itself."""
    parts = text.split("-")
    if len(text) > len("2023-06-12") or not all(part.isdigit() for part in parts):
        moment = datetime.fromisoformat(text)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        return moment, moment
    year, month, day = (*map(int, parts), 1, 1)[:3]
    first = datetime(year, month, day, tzinfo=UTC)
    if len(parts) == len(("year", "month", "day")):
        following = first + timedelta(days=1)
    else:
        months = year * 12 + (month if len(parts) > 1 else 12)
        following = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return first, following - timedelta(microseconds=1)


def _documents(
    where: Catalog, query: Query, timeout: float
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield item documents with the address where relative ones start."""
    address = where.address
    if "://" not in address and Path(address).is_dir():
        yield from documents.folder(Path(address))
    elif address.endswith((".parquet", ".geoparquet")):
        yield from documents.geoparquet(address)
    else:
        document = documents.load(address, timeout=timeout)
        kind = document.get("type")
        if kind == "FeatureCollection":
            for feature in document.get("features", ()):
                yield feature, documents.base(feature, address)
        elif kind == "Feature":
            yield document, address
        elif _searches(document):
            yield from _from_api(where, query, timeout)
        elif kind in {"Catalog", "Collection"} or "links" in document:
            yield from documents.walk(document, address, query.enters, timeout=timeout)
        else:
            raise _no_catalog(address, f"a JSON document of type {kind!r}")


def _searches(document: Mapping[str, Any]) -> bool:
    """Whether the landing page offers a search."""
    return any(link.get("rel") == "search" for link in documents.links(document))


def _no_catalog(address: str, found: str) -> CatalogError:
    return CatalogError(
        f"{address} is {found}",
        expected="a STAC API, catalogue, ItemCollection, item or stac-geoparquet file",
        remedy=f"give one of these with --catalog, or {', '.join(providers())}",
    )


def _from_api(
    where: Catalog, query: Query, timeout: float
) -> Iterator[tuple[Mapping[str, Any], str]]:
    try:
        client = pystac_client.Client.open(where.address, stac_io=_io(timeout))
        asked = client.search(
            method="POST",
            collections=_collections(client, where, query) or None,
            intersects=json.loads(shapely.to_geojson(query.area)),
            datetime=_datetime(query),
            limit=PAGE,
        )
        for page in _pages(asked.pages_as_dicts(), where.address):
            for feature in page:
                yield feature, ""
    except (APIError, OSError, ValueError, LookupError, *_NO_STAC) as error:
        if isinstance(error, CatalogError):
            raise
        raise CatalogError(
            f"The search at {where.address} failed: {_reason(error)}",
            expected=f"an answer within {timeout:g} s, after {RETRIES} tries again",
            remedy="try later; --timeout gives it longer",
        ) from None


_NO_STAC = (TypeError, AttributeError, NotImplementedError)
"""What pystac raises of documents that are JSON, but no STAC."""


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _io(timeout: float) -> StacApiIO:
    """Return a session that also tries a POST again, for a search changes nothing."""
    io = StacApiIO(timeout=(CONNECT, timeout))
    retry = Retry(
        total=RETRIES,
        backoff_factor=PAUSES,
        status_forcelist=TRANSIENT,
        allowed_methods=None,
        respect_retry_after_header=True,
        retry_after_max=LONGEST_PAUSE,
    )
    for scheme in ("https://", "http://"):
        io.session.mount(scheme, _Patient(timeout, max_retries=retry))
    return io


class _Patient(HTTPAdapter):
    """Reads answers to their end, but not for ever, nor more than a page can be."""

    def __init__(self, timeout: float, **options: Any) -> None:  # noqa: ANN401 - requests'
        super().__init__(**options)
        self._timeout = timeout

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override]  # noqa: ANN401 - requests'
        """Send a request and read the whole answer."""
        ask = partial(super().send, request, **{**options, "stream": True})
        response = within(self._timeout + PATIENCE, ask)  # with what urllib3 tries again
        deadline, parts, count = time.monotonic() + self._timeout, [], 0
        while part := response.raw.read1(2**16, decode_content=True):
            parts.append(part)
            count += len(part)
            if time.monotonic() > deadline or count > documents.MOST_BYTES:
                raise ReadTimeout(f"{count} bytes came in {self._timeout:g} s, and no end")
        response._content = b"".join(parts)  # noqa: SLF001 - where requests keeps what it has read
        return response


def _collections(client: pystac_client.Client, where: Catalog, query: Query) -> list[str]:
    """Return the collections to search: the user's, the profile's, or those known by name."""
    if query.collections:
        return list(query.collections)
    if where.profile is not None and (told := where.profile.of_sensor(query.sensor.id)):
        return told
    if where.profile is not None and where.profile.collection(""):
        return []
    names = {n for one in providers().values() for n in one.of_sensor(query.sensor.id)}
    there = _ids(client, where.address)
    known = [name for name in there if name in names or query.sensor.id in name]
    if not known:
        raise CatalogError(
            f"{where.address} has no collection that is known to hold {query.sensor.id}; it has"
            f" {', '.join(there[:30])}",
            expected=f"one of {', '.join(sorted(names))}",
            remedy="name it with --collection, or map it with --profile",
        )
    return known


def _ids(client: pystac_client.Client, address: str) -> list[str]:
    """Return the ids of the collections, until they repeat themselves."""
    ids: dict[str, None] = {}
    for collection in client.get_collections():
        if collection.id in ids:
            raise _endless(address, f"repeats its collections after {len(ids)}")
        ids[collection.id] = None
    return list(ids)


def _datetime(query: Query) -> str | None:
    ends = [
        end.isoformat().replace("+00:00", "Z") if end else ".." for end in (query.start, query.end)
    ]
    return None if ends == ["..", ".."] else "/".join(ends)


def _pages(
    pages: Iterable[Mapping[str, Any]], address: str
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield the features of each page, until one brings nothing new."""
    seen: set[tuple[object, object]] = set()
    count, matched = 0, 0
    for page in pages:
        features = [one for one in page.get("features") or () if isinstance(one, dict)]
        count += len(features)
        matched = matched or _matched(page)
        new = {(one.get("collection"), one.get("id")) for one in features} - seen
        seen |= new
        if features and not new:
            raise _endless(address, f"repeats itself after {len(seen)} items")
        if len(seen) > MOST_ITEMS:
            raise _endless(address, f"brought {len(seen)} items and has more")
        yield features
    if count < matched <= COUNTED:
        raise CatalogError(
            f"The search at {address} ended after {count} of {matched} items",
            expected="as many as it says there are",
            remedy="run it again; if that changes nothing, report it to the provider",
        )


def _matched(page: Mapping[str, Any]) -> int:
    """Return how many items the server says there are, 0 where it does not say."""
    told = page.get("numberMatched", page.get("context", {}).get("matched"))
    return told if isinstance(told, int) else 0


def _endless(address: str, found: str) -> CatalogError:
    return CatalogError(
        f"The search at {address} {found}",
        expected=f"an end, within {MOST_ITEMS} items",
        remedy="narrow --datetime or the area; if that changes nothing, report it to the provider",
    )

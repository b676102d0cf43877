"""A slot: one acquisition on one tile, one entry along a cube's time.

Where items do not tell something it is "" for strings, -1 for integers and NaN for floats.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from numbers import Integral, Real
from typing import Any

import numpy as np

from cubestore.errors import SlotError

Instant = date | datetime | np.datetime64 | str
"""A time: aware datetimes in any zone; what has no zone is UTC."""

EARLIEST, LATEST = np.datetime64("1678-01-01", "us"), np.datetime64("2262-01-01", "us")
"""What readers can decode: nanoseconds since 1970 in 64 bits."""

_USER = re.compile("https?://[^/]*@|://[^/@]*:[^/@]*@")
"""Whom an address asks for; ``abfs://container@account`` names a place, not a person."""

_KINDS: Mapping[Any, type] = {str: str, int: Integral, float: Real}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What a cube knows of one acquisition besides its pixels."""

    time: Instant
    """Start of the first item."""

    item_id: str
    """The STAC items, joined with a space."""

    shards: tuple[tuple[int, int], ...] = ()
    """The (row, column) of every shard that was asked for, whatever came of it."""

    items: tuple[Mapping[str, Any], ...] = ()
    """The items' provenance (href, ETag, size, checksum …), as JSON, for the commit record."""

    time_end: Instant | None = None
    """End of a composite; only cubes of composites have it."""

    source_url: str = ""
    """Where the items came from, joined with a space; never signed."""

    platform: str = ""
    processing_baseline: str = ""
    processor_version: str = ""

    dn_offset: int = 0
    """What was added to the product's digital numbers: -1000 or 0."""

    dn_offset_source: str = ""
    """The rule that decided ``dn_offset``."""

    orbit_state: str = ""

    relative_orbit: int = -1
    """Relative orbit; WRS path * 1000 + row for Landsat, as USGS writes it: 199026."""

    sun_azimuth: float = math.nan
    sun_elevation: float = math.nan
    view_azimuth: float = math.nan
    view_zenith: float = math.nan

    cloud_cover: float = math.nan
    """Percent, as the provider tells."""

    clear_fraction: float = math.nan
    """Clear pixels / those whose ``cloud_class`` is known."""

    valid_fraction: float = math.nan
    """Pixels with data / pixels of the shards asked for."""

    supersedes: str = ""
    """The ``item_id`` of the slot that this one replaces."""

    created: Instant | None = None
    """When the slot was written; None: now."""

    def __post_init__(self) -> None:
        self._refuse_other_types()
        if not self.item_id or self.item_id != self.item_id.strip():
            raise SlotError(
                f"The slot's item_id is {self.item_id!r}",
                expected="the id of its item, or several joined with a space",
                remedy="name where the pixels come from",
            )
        if self.supersedes == self.item_id:
            raise SlotError(
                f"Slot {self.item_id} supersedes itself",
                expected="the item_id of an older slot",
                remedy="give the new slot an id of its own: readers leave out superseded ids",
            )
        refuse_tokens(self.source_url)
        refuse_unfit_items([dict(item) for item in self.items])
        microseconds(self.time)

    def _refuse_other_types(self) -> None:
        for known in fields(self):
            value, kind = getattr(self, known.name), _KINDS.get(known.type, object)
            if not isinstance(value, kind):
                raise SlotError(
                    f"The slot's {known.name} is {value!r}",
                    expected="text" if kind is str else f"a number ({kind.__name__.lower()})",
                    remedy="leave out what the items do not tell",
                )

    def coordinates(self) -> dict[str, Any]:
        """Return the slot's entries in the time coordinates, times in microseconds of UTC."""
        entries = {f.name: getattr(self, f.name) for f in fields(self)}
        del entries["shards"], entries["items"]
        for name in ("time", "time_end", "created"):
            instant = entries[name] if entries[name] is not None else datetime.now(UTC)
            entries[name] = microseconds(instant)
        if self.time_end is None:
            entries["time_end"] = entries["time"]
        return entries


def microseconds(instant: Instant) -> int:
    """Return the microseconds from 1970-01-01 UTC to ``instant``.

    Raises:
        SlotError: it is no time (NaT), or none that readers can decode.
    """
    moment = _moment(instant)
    if np.isnat(moment) or not EARLIEST <= moment < LATEST:
        raise SlotError(
            f"The slot's time is {instant}",
            expected=f"a time in UTC from {EARLIEST:.10} to {LATEST:.10}",
            remedy="take it from the item's datetime or start_datetime",
        )
    return int(moment.astype("int64"))


def _moment(instant: Instant) -> np.datetime64:
    """Return a time in UTC, NaT for what is none."""
    moment = np.datetime64("NaT", "us")
    try:
        if isinstance(instant, str):
            instant = datetime.fromisoformat(instant)
        if isinstance(instant, datetime) and instant.tzinfo is not None:
            instant = instant.astimezone(UTC).replace(tzinfo=None)
        if isinstance(instant, date | np.datetime64):
            moment = np.array([instant], "datetime64[us]")[0]
    except (ValueError, OverflowError, TypeError):  # pandas' NaT is a date of the wrong type
        pass
    return moment


def iso(instant: Instant | None) -> str:
    """Return a time as ISO 8601 in UTC; None: now."""
    moment = microseconds(datetime.now(UTC) if instant is None else instant)
    return f"{np.datetime64(moment, 'us')}Z"


def refuse_unfit_items(items: object) -> None:
    """Refuse provenance that is no JSON, or that holds a signed address anywhere in it.

    Raises:
        SlotError: it is, or does.
    """
    try:
        texts = _texts(json.loads(json.dumps(items, allow_nan=False)))
    except (TypeError, ValueError) as error:
        raise SlotError(
            f"The items' provenance is not JSON: {error}",
            expected="objects of text, numbers, lists; no NaN",
            remedy="leave out what the items do not tell",
        ) from None
    for text in texts:
        refuse_tokens(" ".join(word for word in text.split() if "://" in word))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def refuse_tokens(urls: str) -> None:
    """Refuse addresses that carry a signature, a token or a password.

    Raises:
        SlotError: one does.
    """
    for url in urls.split():
        if "?" in url or _USER.search(url):
            name = url.partition("?")[0].rpartition("/")[2]
            raise SlotError(
                f"an address carries a query, or who asks: …/{name}",
                expected="an address without signature or token",
                remedy="leave out what follows the question mark, and what stands before the @",
            )

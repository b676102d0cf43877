"""A slot: one acquisition on one tile, one entry along a cube's time.

Where items do not tell something it is "" for strings, -1 for integers and NaN for floats.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cubestore.errors import SlotError

Instant = datetime | np.datetime64 | str
"""A time: aware datetimes in any zone; what has no zone is UTC."""


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
        _refuse_tokens(self.source_url)
        microseconds(self.time)

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
        SlotError: it is no time (NaT).
    """
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    if isinstance(instant, datetime) and instant.tzinfo is not None:
        instant = instant.astimezone(UTC).replace(tzinfo=None)
    moment = np.array(instant, "datetime64[us]")
    if np.isnat(moment):
        raise SlotError(
            "The slot's time is NaT",
            expected="a time in UTC",
            remedy="take it from the item's datetime or start_datetime",
        )
    return int(moment.astype("int64"))


def iso(instant: Instant | None) -> str:
    """Return a time as ISO 8601 in UTC; None: now."""
    moment = microseconds(datetime.now(UTC) if instant is None else instant)
    return f"{np.datetime64(moment, 'us')}Z"


def _refuse_tokens(url: str) -> None:
    signed = [u for u in url.split() if "?" in u]
    if signed:
        raise SlotError(
            f"source_url carries a query: {signed[0].partition('?')[0]}?…",
            expected="an address without signature or token",
            remedy="leave out what follows the question mark",
        )

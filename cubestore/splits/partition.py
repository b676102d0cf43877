"""How chips are parted into splits: rules, each with a text that means it.

A rule proposes a split for each chip; what it says of a place depends on the place, the seed and
the shares alone. Keeping the splits apart is the business of `splits`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore.errors import QueryError
from cubestore.slot import microseconds
from cubestore.splits import columns
from cubestore.splits import file as splitfile
from cubestore.splits.places import Places, meridian_of, to_plane

SHARES: Mapping[str, float] = {"train": 0.8, "val": 0.1, "test": 0.1}

SQUARE = 100_000
"""Side of a square of MGRS, metres: blocks are these, or cut them evenly."""

LEFT_OUT = ""


class Rule(Protocol):
    """How chips are parted."""

    @property
    def buffer(self) -> float | None:
        """Metres between splits; None where they are not parted by ground."""

    @property
    def drops(self) -> bool:
        """Whether what conflicts is left out, or refused."""

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> NDArray[Any]:
        """Return a split for each chip."""

    def plenty(self, splits: Sequence[str], counts: Sequence[int]) -> list[str]:
        """Return splits in the order of who stays, the scarcest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """What rules have in common that deal out places by a hash."""

    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    """Split -> its part of the places; together 1."""

    seed: int = 0
    buffer: float = 0.0
    """Metres that must lie between chips of different splits."""

    drops = True

    def __post_init__(self) -> None:
        total = sum(self.shares.values())
        if not (min(self.shares.values(), default=0) > 0 and abs(total - 1) < 1e-9):  # noqa: PLR2004
            raise QueryError(
                f"Shares of {dict(self.shares)}",
                expected="a positive number for each split, 1 together",
                remedy="write train=0.8,val=0.1,test=0.1",
            )
        if LEFT_OUT in self.shares or not 0 <= self.buffer < np.inf:
            raise QueryError(
                f"The splits {list(self.shares)} with a buffer of {self.buffer} m",
                expected="splits with names, and a buffer of no less than 0",
                remedy="give a buffer in metres, and the shares by name",
            )

    def plenty(self, splits: Sequence[str], counts: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return splits by their shares, not by counts: of equal ones the last named stays."""
        named = list(self.shares)
        return sorted(splits, key=lambda split: (self.shares[split], -named.index(split)))

    def _dealt(self, keys: Sequence[str]) -> NDArray[Any]:
        """Return the split of each key."""
        distinct, which = np.unique(np.array(keys, object), return_inverse=True)
        parts = [fraction(f"{self.seed}/{key}") for key in distinct]
        ends = np.cumsum(list(self.shares.values()))[:-1]
        return np.array(list(self.shares), object)[np.searchsorted(ends, parts, side="right")][
            which
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks(_Shared):
    """By squares of the ground, those of MGRS or parts of them, whichever tile holds the chip."""

    size: float = float(SQUARE)
    """Side of a square, metres: 100 km, or what divides that."""

    def __post_init__(self) -> None:
        _Shared.__post_init__(self)
        if not 0 < self.size <= SQUARE or SQUARE % self.size:
            raise QueryError(
                f"Blocks of {self.size:g} m",
                expected="100km, or what divides it: 50km, 20km, 10km, 5km …",
                remedy="squares of MGRS are 100 km; larger ones would cross zones",
            )

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> NDArray[Any]:  # noqa: ARG002
        """Return the split of the block that each chip's centre lies in."""
        return self._dealt(self.blocks(there))[there.of_row]

    def blocks(self, there: Places) -> list[str]:
        """Return each place's block: size, central meridian, and its column and row."""
        lon, lat = there.centres()
        central = meridian_of(lon)
        x, y = (np.round(axis, 3) // self.size for axis in to_plane(lon, lat, central))
        cells = zip(central.tolist(), x.tolist(), y.tolist(), strict=True)
        return [f"block/{self.size:g}/{m:.0f}/{x:.0f}/{y:.0f}" for m, x, y in cells]


@dataclass(frozen=True, slots=True, kw_only=True)
class Each(_Shared):
    """Each place by itself. Neighbours are then in different splits: a buffer leaves out most."""

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> NDArray[Any]:  # noqa: ARG002
        """Return the split of each chip's place."""
        return self._dealt([f"place/{key}" for key in there.keys()])[there.of_row]  # noqa: SIM118


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """By time; the ground is then the same on purpose, and it is the times that have no overlap."""

    cuts: tuple[str, ...]
    """Times in UTC, ascending: each begins the next split."""

    names: tuple[str, ...] = ()
    """The splits in order, one more than cuts; "": train, test or train, val, test."""

    gap: float = 0.0
    """Days before and after each cut that are left out."""

    buffer = None
    drops = True

    def __post_init__(self) -> None:
        named = self.names or {1: ("train", "test"), 2: tuple(SHARES)}.get(len(self.cuts), ())
        object.__setattr__(self, "names", named)
        moments = [microseconds(cut) for cut in self.cuts]
        if len(named) != len(moments) + 1 or moments != sorted(set(moments)) or self.gap < 0:
            raise QueryError(
                f"Times cut at {', '.join(self.cuts) or 'nothing'} into {', '.join(named)}",
                expected="ascending times, and one split more than there are of them",
                remedy="write time:2022-01-01/2023-01-01,names=train/val/test",
            )

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> NDArray[Any]:  # noqa: ARG002
        """Return the split of each chip's time."""
        times = columns.numbers(chips, "time").astype("datetime64[us]").astype(np.int64)
        cuts = np.array([microseconds(cut) for cut in self.cuts])
        split = np.array(self.names, object)[np.searchsorted(cuts, times, side="right")]
        margin = self.gap * np.timedelta64(1, "D") / np.timedelta64(1, "us")
        split[(np.abs(times[:, None] - cuts) < margin).any(axis=1)] = LEFT_OUT
        return split

    def plenty(self, splits: Sequence[str], counts: Sequence[int]) -> list[str]:
        """Return them as they are: no ground is compared."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class FromFile:
    """From a table with ``split`` and one of ``chipid``, ``tile`` or a geometry."""

    path: str
    drops: bool = False
    """Leave out what conflicts; else it is refused."""

    buffer: float = 0.0

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> NDArray[Any]:
        """Return what the file says of each chip; "" where it says nothing."""
        return splitfile.read(self.path, chips, there)

    def plenty(self, splits: Sequence[str], counts: Sequence[int]) -> list[str]:
        """Return splits by how many places they have."""
        order = sorted(zip(counts, splits, strict=True))
        return [split for _, split in order]


def fraction(text: str) -> float:
    """Return a number in [0, 1) that depends on a text alone: the first 53 bits of its SHA-256."""
    digest = hashlib.sha256(text.encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(km|m|)")
_METRES = {"km": 1000.0, "m": 1.0, "": 1.0}


def parse(text: str, *, shares: str = "", seed: int = 0) -> Rule:
    """Return the rule that a text means.

    Args:
        text: ``block:100km,buffer=2km``; ``hash`` or ``hash:buffer=500m``;
            ``time:2022-01-01/2023-01-01`` with ``gap=10`` (days) and ``names=train/val/test``;
            ``file:PATH`` with ``buffer=2km`` and ``drop`` before a comma.
        shares: of rules that deal out by a hash: ``train=0.8,val=0.1,test=0.1``.
        seed: the same.

    Raises:
        QueryError: the text means none.
    """
    kind, _, rest = text.partition(":")
    head, options = _options(kind, rest)
    buffer = _metres(options.pop("buffer", "0"))
    dealt: dict[str, Any] = {"seed": seed, "buffer": buffer}
    dealt |= {"shares": _shares(shares)} if shares else {}
    rule: Rule | None = None
    if kind == "block":
        rule = Blocks(size=_metres(head or "100km"), **dealt)
    elif kind == "hash" and not head:
        rule = Each(**dealt)
    elif kind == "time":
        names = tuple(options.pop("names", "").split("/")) if "names" in options else ()
        gap = float(options.pop("gap", "0").removesuffix("d"))
        rule = Times(cuts=tuple(head.split("/")), names=names, gap=gap)
    elif kind == "file" and head:
        rule = FromFile(path=head, drops=options.pop("drop", None) is not None, buffer=buffer)
    if rule is None or options:
        raise QueryError(
            f"The rule {text!r}",
            expected="block:100km,buffer=2km, hash, time:2022-01-01/2023-01-01 or file:PATH",
            remedy="see `cubestore.splits.parse` for what each of them takes",
        )
    return rule


def _options(kind: str, rest: str) -> tuple[str, dict[str, str]]:
    """Return what stands before the options, and those."""
    words = rest.split(",")
    found: dict[str, str] = {}
    while words and re.match(r"(buffer|gap|names)=|drop$", words[-1]):
        name, _, value = words.pop().partition("=")
        found[name] = value
    if kind != "file" and len(words) > 1:
        found[words.pop()] = ""
    return ",".join(words), found


def _metres(text: str) -> float:
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise QueryError(
            f"The length {text!r}", expected="100km, 2.5km or 500m", remedy="give it with its unit"
        )
    return float(match[1]) * _METRES[match[2]]


def _shares(text: str) -> dict[str, float]:
    try:
        return {
            n.strip(): float(v) for n, _, v in (word.partition("=") for word in text.split(","))
        }
    except ValueError as error:
        raise QueryError(
            f"The shares {text!r}",
            expected="a number for each split",
            remedy="write train=0.8,val=0.1,test=0.1",
        ) from error

"""Which chips train, validate and test a probe: parted by where they lie, anew for each seed.

Chips of one block of the ground go together, for neighbours are near twins. Blocks are shuffled by
the seed and dealt out, so that three blocks are enough. What then shares ground with a chip of a
scarcer split is left out: by `cubestore.splits`, which proves it, where the chips are in the index
of cubes; of patches, by the distance of their middles.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore import splits
from cubestore.splits.partition import LEFT_OUT, fraction
from cubestore.splits.places import Places, meridian_of, to_plane
from cubestore_model.errors import LabelsError
from cubestore_model.probing.samples import Samples

TRAIN, VAL, TEST = "train", "val", "test"
SHARES: Mapping[str, float] = {TRAIN: 0.6, VAL: 0.2, TEST: 0.2}

PUBLISHED = {"validation": VAL, "valid": VAL}
"""What data sets call a split that is called otherwise here."""

EARTH = 6_371_008.8
"""Mean radius, metres. Source: IUGG, GRS 80."""

Texts = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A rule of `cubestore.splits`: blocks, shuffled by a seed and dealt out."""

    size: float
    """Side of a block, metres."""

    buffer: float = 0.0
    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    drops = True

    def propose(self, chips: pa.Table | GeoDataFrame, there: Places) -> Texts:  # noqa: ARG002
        """Return the split of the block that each chip's middle lies in."""
        return self.dealt(blocks(*there.centres(), self.size))[there.of_row]

    def plenty(self, named: Sequence[str], counts: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return splits by their shares: the scarcest first."""
        return sorted(named, key=lambda split: (self.shares[split], split))

    def dealt(self, keys: Sequence[str]) -> Texts:
        """Return the split of each key; every split has a key.

        Raises:
            LabelsError: there are fewer keys than splits.
        """
        distinct, which = np.unique(np.array(keys, object), return_inverse=True)
        if len(distinct) < len(self.shares):
            raise LabelsError(
                f"Labelled chips in {len(distinct)} block(s) of {self.size:g} m",
                expected=f"at least {len(self.shares)}: one for each of {', '.join(self.shares)}",
                remedy="choose smaller blocks (--block), or label more places",
            )
        order = np.argsort([fraction(f"{self.seed}/{key}") for key in distinct])
        scarce = {s: max(1, round(p * len(distinct))) for s, p in self.shares.items() if s != TRAIN}
        dealt = [split for split, count in scarce.items() for _ in range(count)]
        dealt = dealt[: len(distinct) - 1] + [TRAIN] * (len(distinct) - len(dealt))
        split = np.empty(len(distinct), object)
        split[order] = dealt[: len(distinct)]
        return split[which]


def parted(samples: Samples, rule: Drawn) -> Texts:
    """Return the split of each chip; "" is left out.

    Raises:
        LabelsError: the chips lie in too few blocks.
    """
    if samples.chips is not None:
        table = splits.assign(samples.chips, rule)
        return np.asarray(table["split"].to_numpy(zero_copy_only=False), object)
    proposed = rule.dealt(blocks(samples.lonlat[:, 0], samples.lonlat[:, 1], rule.size))
    reach = samples.side * np.sqrt(2) + rule.buffer
    return _apart(samples.lonlat, proposed, reach, rule.plenty(list(rule.shares), []))


def as_published(samples: Samples) -> Texts:
    """Return the split that each chip was published in.

    Raises:
        LabelsError: one of the three has no chip.
    """
    told = np.array([PUBLISHED.get(name, name) for name in samples.published], object)
    lacking = [split for split in SHARES if split not in told.tolist()]
    if lacking:
        raise LabelsError(
            f"No labelled chips that were published as {', '.join(lacking)}",
            expected=f"some in each of {', '.join(SHARES)}",
            remedy="part them by ground instead: leave out split='published'",
        )
    return told


def in_turn(groups: Sequence[str]) -> dict[int, Texts]:
    """Return parts in which each group tests once, the next one validates, and the others train.

    Raises:
        LabelsError: there are fewer than three groups.
    """
    distinct, which = np.unique(np.array(groups, object), return_inverse=True)
    if len(distinct) < len(SHARES):
        raise LabelsError(
            f"{len(distinct)} group(s) of chips to go through in turn",
            expected=f"at least {len(SHARES)}: one for each of {', '.join(SHARES)}",
            remedy="name more groups",
        )
    order = (np.arange(len(distinct))[:, None] - which) % len(distinct)
    splits_of = np.array([TEST, *[TRAIN] * (len(distinct) - 2), VAL], object)
    return dict(enumerate(splits_of[order]))


def blocks(lon: NDArray[np.float64], lat: NDArray[np.float64], size: float) -> list[str]:
    """Return the block of each place: its UTM zone's central meridian, column and row."""
    central = meridian_of(lon)
    x, y = (np.round(axis, 3) // size for axis in to_plane(lon, lat, central))
    cells = zip(central.tolist(), x.tolist(), y.tolist(), strict=True)
    return [f"{m:.0f}/{column:.0f}/{row:.0f}" for m, column, row in cells]


def _apart(
    lonlat: NDArray[np.float64], proposed: Texts, reach: float, scarcest: Sequence[str]
) -> Texts:
    """Return the splits, "" where a chip's middle lies within reach of one of a scarcer split."""
    lon, lat = np.radians(lonlat.T)
    middles = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
    chord = 2 * np.sin(min(reach / EARTH, np.pi) / 2)
    split = proposed.copy()
    for number, scarcer in enumerate(scarcest):
        kept = middles[split == scarcer]
        for row in np.flatnonzero(np.isin(split.astype(str), list(scarcest[number + 1 :]))):
            if len(kept) and np.linalg.norm(kept - middles[row], axis=1).min() < chord:
                split[row] = LEFT_OUT
    return split

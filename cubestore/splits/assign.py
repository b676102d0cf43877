"""Each chip gets its split: a rule proposes, what shares ground is left out, a proof follows."""

from typing import Any

import numpy as np
import pyarrow as pa
from geopandas import GeoDataFrame
from numpy.typing import NDArray

from cubestore.splits import columns
from cubestore.splits.columns import Chips
from cubestore.splits.leaks import conflicts
from cubestore.splits.partition import LEFT_OUT, Rule, parse
from cubestore.splits.places import Places, places
from cubestore.splits.proof import assert_no_leak, leak


def assign(chips: Chips, rule: Rule | str) -> Chips:
    """Return the chips with their ``split``; "" is left out.

    Args:
        chips: an index, as `cubestore.index.scan` or Parquet gives it. Give all chips that are to
            be parted at once: what is parted in two goes has nothing to keep the two apart.
        rule: one, or its text: see `parse`.

    Raises:
        LeakError: a file's splits share ground.
        QueryError: a text that is no rule, or a file that cannot be read.
        MismatchError: a column is missing.
    """
    rule = parse(rule) if isinstance(rule, str) else rule
    there = places(chips)
    proposed = rule.propose(chips, there)
    if rule.buffer is None:
        return columns.with_split(chips, proposed)
    split = _resolved(chips, there, proposed, rule)
    parted = columns.with_split(chips, split)
    assert_no_leak(parted, rule.buffer)
    return parted


def _resolved(
    chips: pa.Table | GeoDataFrame, there: Places, proposed: NDArray[Any], rule: Rule
) -> NDArray[Any]:
    """Return the splits with "" where a place of a scarcer split is too near."""
    names, number = np.unique(proposed.astype(str), return_inverse=True)
    units, first, of_row = np.unique(
        there.of_row * len(names) + number, return_index=True, return_inverse=True
    )
    place, named = np.divmod(units, len(names))
    counts = np.bincount(named, minlength=len(names)).tolist()
    counted = [(n, c) for n, c in zip(names.tolist(), counts, strict=True) if n != LEFT_OUT]
    order = rule.plenty([n for n, _ in counted], [c for _, c in counted])
    ranks = np.array([order.index(n) if n != LEFT_OUT else -1 for n in names.tolist()])
    out = np.zeros(len(units), bool)
    for more, less in conflicts(there.take(place), ranks[named], rule.buffer or 0.0):
        if not rule.drops:
            pair = [int(first[more[0]]), int(first[less[0]])]
            raise leak(chips, proposed, pair, None, rule.buffer or 0.0)
        out[more] = True
    return np.where(out[of_row], LEFT_OUT, proposed)

"""Splits that do not leak: which chips train, which validate, which test.

    chips = cubestore.splits.assign(chips, "block:100km,buffer=2km")

Two random chips of one scene are near twins, and neighbouring tiles show 9.8 km of the same ground;
so chips are parted by where they lie. A RULE proposes a split for each place (for all chips there,
of every time and sensor); then places of different splits that share ground, or lie nearer than
the buffer, are found exactly, and of each two the one of the more plentiful split gets "": it is
left out. Last `assert_no_leak` proves the result by another way.

What a rule proposes for a place depends on the place, the seed and the shares, on nothing else: a
hash that is the same on every machine. So when tiles come to the store later, a place never moves
to another split. It may be left out, if a new place of a scarcer split lies within the buffer (or
on its ground), never farther away; and what is scarcer is told by the shares, not counted.
"""

from cubestore.splits.assign import assign
from cubestore.splits.partition import Blocks, Each, FromFile, Rule, Times, parse
from cubestore.splits.proof import assert_no_leak
from cubestore.splits.weights import repeats, weights

__all__ = [
    "Blocks",
    "Each",
    "FromFile",
    "Rule",
    "Times",
    "assert_no_leak",
    "assign",
    "parse",
    "repeats",
    "weights",
]

"""Which offset is in the pixels of a Sentinel-2 product: decided by evidence, never by the date.

From processing baseline 04.00 on ESA adds 1000 to every digital number, so that noise below zero
survives. Providers differ: Earth Search took it out again, the Planetary Computer never did, and
old years were reprocessed with it. The evidence, the strongest first: the user's word; what Earth
Search says it did; the baseline, which must agree with the offset that the bands declare.

Source: ESA, Sentinel-2 Products Specification Document, BOA_ADD_OFFSET and RADIO_ADD_OFFSET.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cubestore_pipelines.errors import OffsetError
from cubestore_pipelines.items import Item

OFFSET = -1000
"""What is added to a digital number to take the offset out."""

SINCE = (4, 0)
"""The first baseline with the offset."""

TEST_BASELINES = 90
"""Baselines from here on (99.99 of the reprocessing campaign) do not say what they did."""

APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
"""Earth Search's word that it took the offset out; the second spelling is its version 0's."""

DARK = 800
"""Digital numbers below it cannot carry the offset: they would be reflectances under -0.02."""

TOO_MANY = 0.001
"""The part of the valid pixels that may be so dark by chance."""

EVIDENCE = {"sentinel-2-l2a": ("B02", "B04"), "sentinel-2-l1c": ("B10",)}
"""Bands that are dark somewhere in every scene; B10 sees no ground at all."""

REMEDY = "say --dn-offset 0 or --dn-offset -1000, or leave the item out with --skip-item"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is added to the digital numbers, and the rule that decided."""

    dn_offset: int
    source: str


def decide(
    item: Item, *, baseline: str, declared: Iterable[float | None], word: int | None
) -> Decision:
    """Return the offset of an item's pixels.

    Args:
        item: of a Sentinel-2 product.
        baseline: ``05.09``, or "".
        declared: by each band, in digital numbers; None where nothing is declared.
        word: the user's, or None.

    Raises:
        OffsetError: undecided, or baseline and declaration contradict each other.
    """
    if word is not None:
        return Decision(word, "the user's word")
    for name in APPLIED:
        if item.properties.get(name) is True:
            return Decision(0, name)
    decided = _by_baseline(item, baseline)
    for offset in {round(number) for number in declared if number is not None}:
        if offset != decided.dn_offset:
            raise OffsetError(
                f"Item {item.id} is of baseline {baseline}, and its bands declare an offset of"
                f" {offset} digital numbers",
                expected=f"{decided.dn_offset}, as that baseline has it",
                remedy=REMEDY,
            )
    return decided


def _by_baseline(item: Item, baseline: str) -> Decision:
    try:
        major, minor = (int(part) for part in baseline.split("."))
    except ValueError:
        major, minor = TEST_BASELINES, 0
    if major >= TEST_BASELINES:
        raise OffsetError(
            f"Item {item.id} does not tell whether its pixels carry the offset: its processing"
            f" baseline is {baseline or 'not given'}",
            expected="a baseline below 90",
            remedy=REMEDY,
        )
    return Decision(OFFSET if (major, minor) >= SINCE else 0, f"processing baseline {baseline}")


def refuse_contradiction(item_id: str, dn_offset: int, *, dark: int, valid: int) -> None:
    """Refuse to take an offset out of pixels that prove they have none.

    Args:
        item_id: of the slot.
        dn_offset: as decided.
        dark: how many digital numbers of the bands of evidence lie below :data:`DARK`.
        valid: how many of them are no nodata.

    Raises:
        OffsetError: more than a thousandth are dark.
    """
    if dn_offset == OFFSET and dark > TOO_MANY * valid:
        raise OffsetError(
            f"{item_id}: {dark} of {valid} digital numbers lie below {DARK}, so no offset of 1000"
            " is in them",
            expected="none so dark, as was decided that there is one",
            remedy="say --dn-offset 0, or leave the item out with --skip-item",
        )

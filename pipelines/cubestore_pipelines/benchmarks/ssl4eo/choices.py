"""What of the data set is wanted, and how."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cubestore.quantise import Compat

Uint8 = Literal["mean-2std", "reflectance"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What of the data set is wanted, and how."""

    modality: tuple[str, ...] = ()
    """Only this folder: s1, s2a, s2c, or S1GRD, S2L2A, S2L1C; repeatable. All, where none is
    named."""

    resample: bool = False
    """Bring bands of 20 m and 60 m onto the pixels of 10 m, linearly as the published LMDB has
    them, instead of keeping each at its own size. v1.1 comes like that."""

    uint8: Uint8 = None
    """Keep a byte a number, by a published rule: mean-2std; or reflectance, x / 10000 * 255 cut
    off at 1 (radar goes by mean-2std in both)."""

    compat: Compat = None
    """wrap: under --uint8 reflectance, what is brighter than 1 begins anew at 0, as published."""

    remove_offset: bool = False
    """Take the +1000 of newer baselines out, as cubes have it: int16, nodata -32768."""

    incomplete: bool = False
    """Take patches that lack seasons too: no time and nodata there."""

    ids: Path | None = None
    """A file with an id a line, as data/50k_ids_random.csv: only those."""

    void_ids: Path | None = None
    """A file with an id a line: leave those out, beside the published void ids."""

    name: str = ""
    """Of the patch set, DATASET/PART; ssl4eo-s12/v1 and what was chosen, where it is ""."""

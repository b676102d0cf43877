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
    """Only this folder: s1, s2a, s2c, S1GRD, S2L2A or S2L1C; repeatable. All, if none is named."""

    resample: bool = False
    """Bring bands of 20 m and 60 m onto 264 pixels, linearly as published (v1.1 is like that)."""

    uint8: Uint8 = None
    """A byte a number: mean-2std, or reflectance: x / 10000 * 255 cut off at 1, radar mean-2std."""

    compat: Compat = None
    """wrap: reflectance above 1 begins anew at 0, as published; with --uint8 reflectance."""

    remove_offset: bool = False
    """Take the +1000 of newer baselines out, as cubes have it: int16, nodata -32768."""

    incomplete: bool = False
    """Take patches that lack seasons too: no time, and nodata, there."""

    ids: Path | None = None
    """A file with an id a line, as data/50k_ids_random.csv: only those."""

    void_ids: Path | None = None
    """A file with an id a line, left out beside the void ids that were published."""

    name: str = ""
    """Of the set, DATASET/PART; ssl4eo-s12/v1 or v1.1 and what was chosen, if none is given."""

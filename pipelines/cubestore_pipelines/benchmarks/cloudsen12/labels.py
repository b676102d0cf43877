"""The labels of CloudSEN12: two drawn by hand, eight of algorithms, each with its codes.

They are stored as published. `cubestore.cloud.harmonise` makes one scheme of them, by ``scheme``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cubestore import cloud
from cubestore.sensors import Flag, Layer, sensor

NO_LABEL = 255
"""Padding and unknown; -1 where a signed byte is read as one."""

MASKED = -99
"""What Earth Engine masks (cloudsen12/dataset, utils.R); 157 in an unsigned byte."""

NOT_LABELLED = 99
"""CloudSEN12+ writes it where nobody drew (tacofoundation, CloudSEN12Plus)."""

PERCENT = 100

Codes = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One label file."""

    long_name: str
    scheme: str
    """The name that `cubestore.cloud.harmonise` knows it by."""

    meanings: dict[int, str]
    """Code -> what it means; empty for probabilities."""

    source: str

    def layer(self, name: str, dtype: npt.DTypeLike) -> Layer:
        """Return the variable, of the dtype that the file has."""
        flags = tuple(Flag(meaning=word, value=code) for code, word in self.meanings.items())
        return Layer(
            name=name,
            dtype=np.dtype(dtype),
            nodata=NO_LABEL,
            long_name=self.long_name,
            flags=flags if self.fits(dtype) else (),
            source=self.source,
        )

    def fits(self, dtype: npt.DTypeLike) -> bool:
        """Return whether every code has a number of its own: QA60's 1024 has none in a byte."""
        return max(self.meanings, default=0) <= np.iinfo(np.dtype(dtype)).max

    def unknown(self, values: Codes) -> tuple[int, int] | None:
        """Return the first patch with a code that the algorithm does not have, and the code."""
        if not self.fits(values.dtype):
            return None
        kind = f"u{values.dtype.itemsize}"
        codes = [*(self.meanings or range(PERCENT + 1)), NO_LABEL, -1, MASKED, MASKED % 256]
        known = np.array(codes).astype(kind)
        held = np.flatnonzero(np.bincount(values.ravel().view(kind)))
        odd = np.setdiff1d(held, known)
        if not odd.size:
            return None
        code = odd[0].astype(kind).view(values.dtype)
        return int(np.argwhere(values == code)[0, 0]), int(code)


_HAND = {flag.value: flag.meaning for flag in cloud.CLOUD_CLASS.flags if flag.value != NO_LABEL}
_HAND[NOT_LABELLED] = "not_labelled"
_PAPER = "Aybar et al. 2022, CloudSEN12, Scientific Data 9, 782, table 3"
_KAPPA = {
    0: "missing",
    1: "clear",
    2: "cloud_shadow",
    3: "semi_transparent_cloud",
    4: "cloud",
    5: "undefined",
}
_FMASK = {0: "clear_land", 1: "clear_water", 2: "cloud_shadow", 3: "snow", 4: "cloud"}
_QA60 = {0: "clear", 1024: "opaque_cloud", 2048: "cirrus_cloud"}
_SCL = {flag.value: flag.meaning for flag in sensor("sentinel-2-l2a").layers[0].flags}


def _label(scheme: str, long_name: str, meanings: dict[int, str], source: str = _PAPER) -> Label:
    return Label(scheme=scheme, long_name=long_name, meanings=meanings, source=source)


LABELS: dict[str, Label] = {
    "manual_hq": _label("cloudsen12", "drawn by hand, every pixel", _HAND),
    "manual_sc": _label("cloudsen12", "drawn by hand, scribbles", _HAND),
    "fmask": _label("fmask", "Fmask 4", _FMASK, "Qiu et al. 2019, Fmask 4.0"),
    "qa60": _label("qa60", "cloud mask of the L1C product, QA60", _QA60),
    "s2cloudless": _label("s2cloudless", "s2cloudless, percent", {}),
    "sen2cor": _label("sen2cor", "Sen2Cor's scene classification", _SCL),
    "cd_fcnn_rgbi": _label("cd-fcnn", "CD-FCNN on four bands, percent", {}),
    "cd_fcnn_rgbi_swir": _label("cd-fcnn", "CD-FCNN on six bands, percent", {}),
    "kappamask_L1C": _label("kappamask", "KappaMask on L1C", _KAPPA),
    "kappamask_L2A": _label("kappamask", "KappaMask on L2A", _KAPPA),
}
"""Name of the file, without ``LABEL_`` -> what is in it."""

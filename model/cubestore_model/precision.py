"""The numbers in which networks compute: a name of each, and the way to do so."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch

Precision = Literal["float32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

FORMER = {"bfloat16": "bf16"}
"""What trainings were recorded with by earlier versions -> the name of today."""


def computing(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context in which a network computes; its weights stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def recalled(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return choices that were recorded, with the precision by the name of today."""
    precision = told.get("precision")
    return {**told, "precision": FORMER.get(str(precision), precision)}

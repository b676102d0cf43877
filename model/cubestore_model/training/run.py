"""What is trained on what: a model, the chips of a store, and how one is given the other."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

import cubestore
from cubestore.errors import MismatchError
from cubestore_model import weights
from cubestore_model.encoder import Encoder
from cubestore_model.inputs import Preparation, preparation
from cubestore_model.loader import Loader, loader
from cubestore_model.training.options import Training, told
from cubestore_model.training.ranks import Ranks
from cubestore_model.training.validation import Validation

ON_DEVICE = ("pixels", "valid", "time", "latlon")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training, in this process."""

    store: str | os.PathLike[str]
    encoder: Encoder
    training: Training
    ranks: Ranks
    device: torch.device
    num_workers: int

    @cached_property
    def told(self) -> dict[str, Any]:
        """What is trained, as it is kept."""
        network = self.encoder.network
        begun = hashlib.sha256(weights.serialised(network)).hexdigest()
        config = asdict(self.encoder.config)
        rows = [row for row in self.encoder.entry.inputs if row.measured]
        norms = {"norms": {row.sensor: [[*row.mean], [*row.std]] for row in rows}} if rows else {}
        return {
            "model": self.encoder.id,
            "begun_with": begun,
            **config,
            **norms,
            **told(self.training),
        }

    @cached_property
    def sensors(self) -> tuple[str, ...]:
        """Those whose chips are learnt from."""
        known = [row.sensor for row in self.encoder.entry.inputs]
        cubes = cubestore.open_store(self.store).cubes()
        found = [sensor for sensor in known if any(sensor == name for _, name in cubes)]
        return self.training.sensors or tuple(found)

    @property
    def chip_size(self) -> int:
        """Pixels along a chip."""
        return self.training.chip_size or self.encoder.entry.chip_size

    @cached_property
    def loader(self) -> Loader:
        """The batches that are learnt from."""
        return self._loader(self.num_workers, **self.training.batches())

    @cached_property
    def prepared(self) -> dict[str, Preparation]:
        """How each sensor's batches become the model's arguments."""
        streams = self.loader.dataset.batches.streams
        rows = {stream.sources[0].sensor: stream.sources[0].bands for stream in streams}
        return {name: preparation(self.encoder, name, bands) for name, bands in rows.items()}

    @cached_property
    def validation(self) -> Validation | None:
        """What the loss is measured on beside, if anything is."""
        if not self.training.validation:
            return None
        asked = self.training.question(self.training.validation)
        batches = self._loader(0, shuffle=False, **asked)
        return Validation(self.encoder, batches, self.inputs, self.ranks)

    def _loader(self, workers: int, **options: Any) -> Loader:  # noqa: ANN401 - of cubestore.batches
        return loader(
            self.store,
            sensor=self.sensors,
            chip_size=self.chip_size,
            batch_size=self.training.batch_size,
            rank=self.ranks.rank,
            ranks=self.ranks.count,
            num_workers=workers,
            **options,
        )

    def refuse_unfit(self) -> None:
        """Refuse what cannot be trained, before anything is written.

        Raises:
            MismatchError: a model that reconstructs nothing, sensors that it does not know, chips
                that it cannot take.
        """
        if not self.encoder.loss_metric or not hasattr(self.encoder.network, "masked_error"):
            raise MismatchError(
                f"A training of {self.encoder.id}, which reconstructs no pixels",
                expected="a model with a decoder, such as clay-tiny",
                remedy="choose another (`cubestore models`), or weights that hold a decoder",
            )
        if not self.sensors:
            raise MismatchError(
                f"{self.store} has no cube that {self.encoder.id} can learn from",
                expected=" or ".join(row.sensor for row in self.encoder.entry.inputs),
                remedy="see `cubestore info` and `cubestore models`",
            )
        side, odd = divmod(self.chip_size, self.encoder.patch_size)
        if odd or not 0 < int(self.training.mask_ratio * side**2) < side**2:
            raise MismatchError(
                f"Chips of {self.chip_size} pixels, {self.training.mask_ratio:.0%} of the patches "
                "masked",
                expected=f"a multiple of {self.encoder.patch_size}, and some patches not masked",
                remedy="choose larger chips, such as 256",
            )
        self.prepared, self.validation  # noqa: B018 - or their own refusal

    def inputs(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the model's arguments for a batch, on the device."""
        moved = {name: batch[name].to(self.device) for name in ON_DEVICE}
        return self.prepared[batch["sensor"]]({**batch, **moved})

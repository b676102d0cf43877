"""A model that learns: a step for each batch, and what is to be known to go on with the next."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cubestore_model.errors import DivergedError
from cubestore_model.precision import computing
from cubestore_model.training.masking import WEIGHTS, Drawing, Masked
from cubestore_model.training.optimizer import adamw, restore, state_of
from cubestore_model.training.run import Run


class Learner:
    """A network and its optimizer, on the device."""

    def __init__(self, run: Run) -> None:
        """Move the network of a training to its device."""
        self._run, self._training = run, run.training
        run.encoder.to(run.device)
        self._network = run.encoder.network
        self._masked = run.ranks.together(Masked(self._network, run.training.mask_ratio))
        one = run.training
        self._optimizer = adamw(self._network, weight_decay=one.weight_decay, betas=one.betas)

    def state(self) -> dict[str, Tensor]:
        """Return what the optimizer knows."""
        return state_of(self._optimizer, self._network)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what another knew."""
        restore(self._optimizer, self._network, state)

    def step(self, number: int, batch: Mapping[str, Any]) -> tuple[float, dict[str, float], float]:
        """Learn from a batch.

        Args:
            number: of the step, counted from 0.
            batch: of the training's loader.

        Returns:
            The mean loss of all processes' batches, that of each sensor, and the rate.

        Raises:
            DivergedError: the loss or the gradient is no number any more; nothing was learnt.
        """
        lr = self._training.schedule.apply(self._optimizer, number)
        self._optimizer.zero_grad()
        loss = self._loss(number, batch)
        (loss * WEIGHTS.get(batch["sensor"], 1.0)).backward()  # type: ignore[no-untyped-call]
        length = nn.utils.clip_grad_norm_(
            self._network.parameters(), self._training.clip or math.inf
        )
        by_sensor = self._averaged(batch["sensor"], float(loss.detach()))
        mean = sum(by_sensor.values()) / len(by_sensor)
        if not math.isfinite(mean) or not math.isfinite(float(length)):
            raise self._diverged(number, batch, mean, lr)
        self._optimizer.step()
        return mean, by_sensor, lr

    def _loss(self, number: int, batch: Mapping[str, Any]) -> Tensor:
        """Return the mean loss of a batch, of which things are hidden."""
        prepared = self._run.inputs(batch)
        chips, bands, _, width = prepared["pixels"].shape
        patches = (width // self._run.encoder.patch_size) ** 2
        epoch = number // len(self._run.loader)
        shape = (chips, patches, bands)
        drawing = Drawing.of(self._training, epoch, batch["number"], shape=shape)
        with computing(self._training.precision, self._run.device):
            found: Tensor = self._masked(prepared, drawing.to(self._run.device))
        return found

    def _averaged(self, sensor: str, loss: float) -> dict[str, float]:
        """Return the mean loss of each sensor that came, over the processes."""
        names = self._run.sensors
        mine = [
            [loss if name == sensor else 0.0 for name in names],
            [float(n == sensor) for n in names],
        ]
        sums = self._run.ranks.sums([*mine[0], *mine[1]], self._run.device)
        pairs = zip(names, sums[: len(names)], sums[len(names) :], strict=True)
        return {name: total / count for name, total, count in pairs if count}

    def _diverged(
        self, number: int, batch: Mapping[str, Any], loss: float, lr: float
    ) -> DivergedError:
        chips = ", ".join(batch["chipid"][:2])
        return DivergedError(
            f"Step {number + 1}: a loss of {loss:g}, and a gradient that is no number or endless, "
            f"with chips such as {chips}, at a rate of {lr:g}",
            expected="finite numbers",
            remedy="begin again in another folder with a lower lr, or with float32; the last "
            "checkpoint stays, and its weights.safetensors can be begun with (--init)",
        )

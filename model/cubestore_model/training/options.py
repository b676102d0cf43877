"""What a training is: all that decides its result, kept beside it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cubestore.batches.loading import SENSOR
from cubestore.batches.order import TOGETHER
from cubestore.errors import MismatchError
from cubestore_model.encoders.clay import MASK_RATIO
from cubestore_model.precision import PRECISIONS, Precision
from cubestore_model.training.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Masked autoencoding, as Clay was trained.

    Numbers without another source are those of Clay-foundation/model, claymodel/module.py and
    model.py. Its teacher, a tenth of its loss, is left out: it is a model of photographs.
    """

    steps: int = 10_000
    sensors: tuple[str, ...] = ()
    """Each batch is of one, each has as many as the largest; (): all that the model knows."""

    chip_size: int = 0
    """Pixels along a chip; 0: as the model's."""

    batch_size: int = 32
    """Chips of a step, in each process."""

    split: tuple[str, ...] = ()
    """Of the chip index; (): all chips."""

    validation: tuple[str, ...] = ()
    """The splits on which the loss is measured; (): none."""

    max_cloud: float | None = None
    """The part of a chip that may be cloud, 0 to 1: asks the chip index."""

    max_nodata: float | None = None
    where: str = ""
    lr: float = 1e-3
    """The highest rate. Clay's begins at 1e-5 and goes up to a hundred times that, since the two
    are given the other way round; here they are as the cosine means them."""

    min_lr: float = 1e-5
    warmup: float = 0.05
    """The part of the steps in which the rate rises: ours, Clay has none."""

    cycle: int = 0
    """Steps after which the rate begins again at its highest, Clay's 5000; 0: it does not."""

    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    """Of matrices; biases, norms and tokens have none."""

    clip: float = 1.0
    """The longest gradient; 0: any, as Clay's."""

    mask_ratio: float = MASK_RATIO
    untold: float = 0.2
    """The part of the chips of which time and place are not told."""

    no_bands: float = 0.1
    """The part of the others of which no band is shown, but their time and place alone."""

    half_bands: float = 0.2
    """The part of which half of the bands are shown; all are to be reconstructed."""

    flips: bool = True
    rotations: bool = False
    together: int = TOGETHER
    """Shards whose chips are mixed."""

    precision: Precision = "float32"
    validate_every: int = 0
    """Steps; 0: behind the last one only."""

    seed: int = 0

    def __post_init__(self) -> None:
        parts = self.untold, self.no_bands, self.half_bands, self.no_bands + self.half_bands
        counts = self.steps, self.batch_size, self.chip_size + 1, self.validate_every + 1
        known = self.precision in PRECISIONS
        if not (known and 0 < self.mask_ratio < 1 and min(counts) > 0 and self.clip >= 0):
            raise self._refusal()
        if not (all(0 <= part <= 1 for part in parts) and 0 <= self.warmup < 1):
            raise self._refusal()
        self.schedule  # noqa: B018 - or its own refusal

    def _refusal(self) -> MismatchError:
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        odd = [f"{f.name} {chosen[f.name]!r}" for f in fields(self) if chosen[f.name] != f.default]
        return MismatchError(
            f"A training with {', '.join(odd)}",
            expected="numbers of steps and chips from 1 on; mask_ratio, warmup, untold, no_bands "
            f"and half_bands as parts of 1; {' or '.join(PRECISIONS)}",
            remedy="for 20 % give 0.2",
        )

    @property
    def schedule(self) -> Schedule:
        """The rate of each step."""
        return Schedule(
            peak=self.lr,
            least=self.min_lr,
            steps=self.steps,
            warmup=int(self.warmup * self.steps),
            cycle=self.cycle,
        )

    def question(self, split: tuple[str, ...]) -> dict[str, Any]:
        """Return what the chip index is asked for the chips of some splits."""
        told = {"max_cloud": self.max_cloud, "max_nodata": self.max_nodata, "where": self.where}
        asked = {"split": list(split), **told}
        return {name: value for name, value in asked.items() if value not in (None, "", [])}

    def batches(self) -> dict[str, Any]:
        """Return the options of the batches that are learnt from."""
        return {
            "shuffle": True,
            "drop_last": True,
            "balance": (SENSOR,),
            "flips": self.flips,
            "rotations": self.rotations,
            "together": self.together,
            "seed": self.seed,
            **self.question(self.split),
        }


def differing(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return the names under which two mappings hold different things."""
    return [n for n in {**found, **wanted} if found.get(n) != wanted.get(n)]


def told(training: Training) -> dict[str, Any]:
    """Return a training's choices as JSON holds them."""
    return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(training).items()}

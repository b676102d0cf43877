"""The verb ``train``: a model learns from the chips of a store."""

from dataclasses import dataclass, fields
from json import loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from cubestore.errors import MismatchError
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.output import Json, plain_console, show_facts, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cubestore_model import Step

Flag = Annotated[bool, Parameter(negative="")]

LINES = 50
"""Lines that tell of a whole training."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is learnt, and how; Clay's numbers where nothing is said."""

    steps: int = 10_000
    """Batches that are learnt from."""

    sensor: Words = ()
    """A sensor's id; repeatable. All that the model knows, a batch is of one of them."""

    chip_size: int = 0
    """Pixels along a chip; 0: as the model's."""

    batch_size: int = 32
    """Chips of a step, in each process."""

    split: Words = ()
    """A split of the chip index that is learnt from; repeatable."""

    validation: Words = ()
    """A split on which the loss is measured; repeatable."""

    max_cloud: float | None = None
    """The part of a chip that may be cloud, 0 to 1."""

    max_nodata: float | None = None
    """The part of a chip that may be nodata, 0 to 1."""

    where: str = ""
    """A condition on columns of the chip index."""

    lr: float = 1e-3
    """The highest rate."""

    min_lr: float = 1e-5
    """What the cosine goes to."""

    warmup: float = 0.05
    """The part of the steps in which the rate rises."""

    cycle: int = 0
    """Steps after which the rate begins again at its highest; 0: it does not."""

    weight_decay: float = 0.05
    """Of matrices."""

    mask_ratio: float = 0.75
    """The part of the patches that is hidden."""

    precision: Literal["float32", "bf16"] = "float32"
    """Of what is computed; weights are kept in float32."""

    validate_every: int = 0
    """Steps between two measurements of the loss; 0: behind the last one only."""

    seed: int = 0
    """Of weights, order and masks."""

    def choices(self) -> dict[str, Any]:
        """Return the fields of a training."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return {"sensors": told.pop("sensor"), **told}


def train(  # noqa: PLR0913 - a verb's options
    store: str,
    /,
    recipe: Recipe | None = None,
    *,
    out: Path,
    model: str = "clay-tiny",
    init: Path | None = None,
    config: str = "",
    device: str = "",
    num_workers: int = 0,
    checkpoint_every: int = 1000,
    tensorboard: Flag = False,
    json: Json = False,
) -> None:
    """Train a masked autoencoder on the chips of a store, as Clay was trained.

    The same command goes on with a training that was stopped or killed, and ends with the same
    weights. Several processes share it under torchrun.

    Example: cubestore train STORE --model clay-tiny --out DIR --steps 2000

    Args:
        store: path or address of the store.
        recipe: what is learnt, and how.
        out: folder of checkpoints, metrics.csv and, at the end, weights.safetensors.
        model: id of a model that reconstructs pixels, see `cubestore models`.
        init: a file of weights to begin with; without it random ones.
        config: sizes that are not the model's: JSON such as {"dim": 96, "depth": 2}, or a file of
            it. The weights keep them: `cubestore embed --weights` need not be told.
        device: cuda, cuda:1, cpu …; the first GPU, or the CPU where there is none.
        num_workers: processes that fill batches; 0: threads of this one.
        checkpoint_every: steps.
        tensorboard: write the steps for TensorBoard too, which must be installed.
        json: print one JSON object.
    """
    from cubestore_model import Training  # noqa: PLC0415 - torch is for who needs it
    from cubestore_model import train as carry_out  # noqa: PLC0415 - the same
    from cubestore_model.training import joined  # noqa: PLC0415 - the same

    training = Training(**(recipe or Recipe()).choices())
    with joined() as ranks:
        steps = carry_out(
            store,
            model,
            out=out,
            training=training,
            init=init,
            config=_sizes(config),
            device=device,
            num_workers=num_workers,
            checkpoint_every=checkpoint_every,
            tensorboard=tensorboard,
        )
        facts = _gone_through(steps, training.steps, quiet=not ranks.first)
        if not ranks.first:
            return
    facts |= {"steps": training.steps, "weights": str(out / "weights.safetensors")}
    if json:
        show_json({"store": store, "model": model, **facts})
    else:
        show_facts(facts)


def _sizes(config: str) -> dict[str, Any]:
    """Return the sizes that were given, as JSON or the path of a file of it."""
    if not config:
        return {}
    try:
        told = loads(config if config.lstrip().startswith("{") else Path(config).read_text())
        return {n: tuple(v) if isinstance(v, list) else v for n, v in told.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise MismatchError(
            f"--config {config}: {error}",
            expected='sizes by name, as JSON or in a file of it: {"dim": 96, "depth": 2}',
            remedy="see `cubestore models MODEL` for the names",
        ) from error


def _gone_through(steps: "Iterator[Step]", count: int, *, quiet: bool) -> dict[str, Any]:
    """Return what came of the steps of this run, told meanwhile on standard error."""
    console, done, last = plain_console(stderr=True), 0, None
    for step in steps:
        done, last = done + 1, step
        if not quiet:
            _tell(console, step, count)
    if last is None:
        return {"steps_now": 0}
    return {"steps_now": done, "loss": last.loss, "validation": dict(last.validation)}


def _tell(console: Console, step: "Step", count: int) -> None:
    """Tell of a step: in a line that is written over on a terminal, of some of them elsewhere."""
    whole = step.number == count or bool(step.validation)
    if not (whole or console.is_terminal or step.number % max(1, count // LINES) == 0):
        return
    told = f"step {step.number} of {count}: loss {step.loss:.4f}, rate {step.lr:.2e}, "
    told += f"{step.chips_per_second:.0f} chips a second"
    told += "".join(f", {name} {loss:.4f}" for name, loss in step.validation.items())
    console.print(told, end="\r" if console.is_terminal and not whole else "\n")

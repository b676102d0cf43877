"""Masked autoencoding on the chips of a store: a model learns to see what is hidden from it.

    for step in cubestore_model.train("STORE", "clay-tiny", out="DIR"):
        print(step.number, step.loss)
    encoder = cubestore_model.load_encoder("clay-tiny", weights="DIR/weights.safetensors")

A training that was killed goes on when it is run again, from its last checkpoint, and ends with
the weights that it would have had: rates, order and masks depend on the step and the seed alone.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cubestore
from cubestore import lock
from cubestore.disk import make_directory, writable
from cubestore_model import devices
from cubestore_model.encoder import Encoder, load_encoder, untrained
from cubestore_model.loader import Loader
from cubestore_model.training import boards, ranks
from cubestore_model.training.checkpoint import Folder, Metrics
from cubestore_model.training.learner import Learner
from cubestore_model.training.norms import knowing
from cubestore_model.training.options import Training
from cubestore_model.training.run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that was done."""

    number: int
    """Counted from 1."""

    loss: float
    """How badly what was hidden was reconstructed, before the step; the mean of all processes."""

    by_sensor: Mapping[str, float]
    """The same, of the sensors whose batches came."""

    lr: float
    chips_per_second: float
    validation: Mapping[str, float] = field(default_factory=dict)
    """The loss of each sensor on chips that nothing is learnt from, where it was measured."""


def train(  # noqa: PLR0913 - the options of the command line
    store: str | os.PathLike[str],
    model: str | Encoder = "clay-tiny",
    *,
    out: str | os.PathLike[str],
    training: Training | None = None,
    init: str | os.PathLike[str] | None = None,
    config: Mapping[str, Any] | None = None,
    device: str = "",
    num_workers: int = 0,
    checkpoint_every: int = 1000,
    tensorboard: bool = False,
) -> Iterator[Step]:
    """Train a model on the chips of a store; yield each step when it is done.

    Args:
        store: its path or address.
        model: the id of a model that reconstructs pixels; or one that is made, which is changed.
        out: the folder of the training; what is there is gone on with.
        training: what is learnt, and how.
        init: a file of weights to begin with; None: random ones, by the seed.
        config: sizes of your own, by name, such as ``{"depth": 2}``; they are kept in the weights.
        device: torch's name of one; "": the first GPU, or the CPU where there is none.
        num_workers: processes that fill batches; 0: threads of this one.
        checkpoint_every: steps.
        tensorboard: write the steps for TensorBoard too, which must be installed.

    Raises:
        UnknownEncoderError: nobody registered such a model.
        MismatchError: a model that reconstructs nothing, no chips of it, or another training in
            the folder.
        DivergedError: the loss is no number any more; the last checkpoint stays.
        LockedError: another process trains there.
    """
    choices, folder = training or Training(), Folder(Path(out))
    if tensorboard:
        boards.refuse_absent()
    begun = _begun(model, init, config, choices.seed)
    run = Run(
        store=store,
        encoder=knowing(begun, cubestore.open_store(store), choices.sensors),
        training=choices,
        ranks=ranks.here(),
        device=devices.device(device),
        num_workers=num_workers,
    )
    run.refuse_unfit()
    with _alone(folder, run):
        yield from _steps(run, folder, max(checkpoint_every, 1), tensorboard=tensorboard)


def _begun(
    model: str | Encoder,
    init: str | os.PathLike[str] | None,
    config: Mapping[str, Any] | None,
    seed: int,
) -> Encoder:
    """Return the model as it is before its first step."""
    if isinstance(model, Encoder):
        return model
    if init is None:
        return untrained(model, config=config, seed=seed)
    return load_encoder(model, weights=init, config=config)


@contextlib.contextmanager
def _alone(folder: Folder, run: Run) -> Iterator[None]:
    """Hold the folder, whose training must be this one; the other processes wait for it."""
    with contextlib.ExitStack() as stack:
        if run.ranks.first:
            with writable(folder.path):
                make_directory(folder.path)
            stack.enter_context(lock.hold(folder.path / ".lock", 0.0))
            with writable(folder.path):
                folder.begin(run.told)
        run.ranks.wait()
        yield


def _steps(run: Run, folder: Folder, checkpoint_every: int, *, tensorboard: bool) -> Iterator[Step]:
    """Do the steps that are left, and keep what comes of them."""
    learner = Learner(run)
    done = _gone_on(run, learner, folder)
    with (
        _metrics(run, folder, done) as metrics,
        boards.board(folder.path, done, wanted=tensorboard and run.ranks.first) as board,
    ):
        batches = _endless(run.loader)
        for number in range(done, run.training.steps):
            step = _step(run, learner, number, batches)
            if metrics is not None:
                metrics.write(_row(step))
                board(step.number, _row(step))
            if step.number % checkpoint_every == 0 or step.number == run.training.steps:
                _keep(run, learner, folder, step, metrics)
            yield step
    if run.ranks.first:
        with writable(folder.path):
            folder.finish(run.encoder)


def _gone_on(run: Run, learner: Learner, folder: Folder) -> int:
    """Go on from the last checkpoint, where there is one; return how many steps are done."""
    saved = folder.saved()
    if not saved:
        return 0
    state, position = saved[-1].load(run.encoder.network)
    learner.restore(state)
    run.loader.load_state_dict(position)
    return saved[-1].step


def _step(run: Run, learner: Learner, number: int, batches: Iterator[dict[str, Any]]) -> Step:
    """Do a step, counted from 0."""
    started = time.perf_counter()
    loss, by_sensor, lr = learner.step(number, next(batches))
    chips = run.training.batch_size * run.ranks.count
    rate = chips / (time.perf_counter() - started)
    every, last = run.training.validate_every, number + 1 == run.training.steps
    due = last or (every > 0 and (number + 1) % every == 0)
    return Step(
        number=number + 1,
        loss=loss,
        by_sensor=by_sensor,
        lr=lr,
        chips_per_second=round(rate, 1),
        validation=run.validation.measured() if due and run.validation else {},
    )


def _keep(run: Run, learner: Learner, folder: Folder, step: Step, metrics: Metrics | None) -> None:
    """Keep a checkpoint, behind the lines of its steps."""
    if metrics is None:
        return
    with writable(folder.path):
        metrics.sync()
        position = run.loader.state_dict()
        folder.save(step.number, run.encoder, learner.state(), position)


@contextlib.contextmanager
def _metrics(run: Run, folder: Folder, done: int) -> Iterator[Metrics | None]:
    """Open the file of the steps, in the process that writes."""
    if not run.ranks.first:
        yield None
        return
    each = [f"{what}_{name}" for what in ("loss", "validation") for name in run.sensors]
    columns = ("step", "loss", "lr", "chips_per_second", *each)
    with writable(folder.path):
        metrics = Metrics(folder.metrics, columns, done)
    with contextlib.closing(metrics):
        yield metrics


def _row(step: Step) -> dict[str, Any]:
    """Return a step as the columns of its line."""
    losses = {f"loss_{name}": loss for name, loss in step.by_sensor.items()}
    measured = {f"validation_{name}": loss for name, loss in step.validation.items()}
    told = {"loss": step.loss, "lr": step.lr, "chips_per_second": step.chips_per_second}
    return {"step": step.number, **told, **losses, **measured}


def _endless(batches: Loader) -> Iterator[dict[str, Any]]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from batches

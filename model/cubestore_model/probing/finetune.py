"""Fine-tuning: an encoder that is trained on, with a head that says which class.

The head is linear, on a chip's vector or on each patch's, whose logits are then interpolated to
pixels. AdamW moves both; deeper layers may move less (`Tuning.layer_decay`). Whoever does best on
the validation chips is kept. Normalisation by batches stays as it was trained.

    tuned = Finetuning(encoder).fit(train, val, seed=0)
    cubestore_model.save(tuned, "tuned.safetensors")
    load_tuned("tuned.safetensors")(pixels, gsd=10.0, ...)      # logits
"""

import copy
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cubestore.errors import MismatchError
from cubestore_model import weights as files
from cubestore_model.devices import device
from cubestore_model.encoder import Encoder, untrained
from cubestore_model.errors import WeightsError
from cubestore_model.probing import linear
from cubestore_model.probing.experiment import Scorer, worth
from cubestore_model.probing.metrics import UNKNOWN, Floats
from cubestore_model.probing.samples import MAPS, PER_CHIP, Samples
from cubestore_model.training import Schedule

LAYER = re.compile(r"(?:transformer\.layers\.|blocks\.|\blayer)(\d+)")
"""How the layers of Clay, of vision transformers and of ResNets are named."""

LAST = re.compile(r"(?:^|transformer\.)(?:fc_)?norm\.")
"""How the normalisation behind the layers is named."""

WARMUP = 0.1
"""The part of the steps over which the rate rises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How an encoder is tuned."""

    epochs: int = 50
    patience: int = 10
    """Epochs without a better validation, after which it ends."""

    rate: float = 1e-4
    """Of learning, at its highest; it rises first, and falls as a cosine."""

    head: float = 10.0
    """How many times as fast the head learns."""

    layer_decay: float = 1.0
    """How many times as fast a layer learns as the one above. Source: Bao et al. 2021 (BEiT), who
    take 0.65 for a large model; 1: all alike."""

    weight_decay: float = 0.05
    """Of weights, not of biases and scales. Source: He et al. 2021 (MAE), table 9."""

    batch_size: int = 16
    device: str = ""
    """torch's name of one; "": the first GPU, or the CPU where there is none."""

    folder: str = ""
    """Where the tuned model of each seed is kept, ``seed-0.safetensors``; "": nowhere."""

    def __post_init__(self) -> None:
        sizes, rates = (self.epochs, self.patience, self.batch_size), (self.rate, self.head)
        if min(sizes) < 1 or not (min(rates) > 0 and 0 < self.layer_decay <= 1):
            raise MismatchError(
                f"{self.epochs} epochs, patience {self.patience}, {self.batch_size} a batch, rate "
                f"{self.rate:g}, layer_decay {self.layer_decay:g}",
                expected="at least one of each, rates above 0, a decay above 0 and up to 1",
                remedy="leave out what you have no reason to change",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedConfig:
    """All that a tuned model is made again by, but for its weights."""

    model: str
    sizes: str
    """Of the encoder's network, as JSON."""

    classes: tuple[str, ...]
    dense: bool


class Tuned(nn.Module):
    """An encoder with a head."""

    def __init__(self, encoder: Encoder, classes: tuple[str, ...], *, dense: bool) -> None:
        """Put a head of random weights on an encoder.

        Args:
            encoder: which is changed as this is trained.
            classes: their names.
            dense: whether patches are told apart, or chips.
        """
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(
            nn.LayerNorm(encoder.dimensions), nn.Linear(encoder.dimensions, len(classes))
        )
        sizes = asdict(encoder.config) if is_dataclass(encoder.config) else {}  # type: ignore[arg-type]
        self.config = TunedConfig(
            model=encoder.id, sizes=json.dumps(sizes), classes=classes, dense=dense
        )

    def forward(self, pixels: Tensor, **told: Any) -> Tensor:  # noqa: ANN401 - as encoders are told
        """Return logits ``(B, classes)``, of patches ``(B, classes, rows, columns)``."""
        out = self.encoder(pixels, **told)
        if not self.config.dense:
            made: Tensor = self.head(out.embedding)
            return made
        logits = self.head(out.patches).mT  # (B, classes, L)
        side = math.isqrt(logits.shape[-1])
        grid: Tensor = logits.unflatten(-1, (side, side))
        return grid

    def score(self, samples: Samples, batch_size: int = 16) -> Floats:
        """Return the logits of chips, ``(chips, [rows, columns,] classes)``."""
        found = []
        with torch.inference_mode():
            for some in torch.split(torch.arange(len(samples)), batch_size):
                logits = self(**told_of(samples, some, next(self.parameters()).device))
                found.append(logits.double().cpu().movedim(1, -1).numpy())
        return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Finetuning:
    """A method of `cubestore_model.probing.run`: every seed begins with the same encoder."""

    encoder: Encoder
    tuning: Tuning = field(default_factory=Tuning)
    name: str = "finetune"

    def __call__(self, train: Samples, val: Samples, seed: int) -> Scorer:
        """Return the scores of what was tuned; keep it, where that is wanted."""
        tuned = self.fit(train, val, seed)
        if self.tuning.folder:
            Path(self.tuning.folder).mkdir(parents=True, exist_ok=True)
            files.save(tuned, Path(self.tuning.folder, f"seed-{seed}.safetensors"))
        return tuned.score

    def fit(self, train: Samples, val: Samples, seed: int) -> Tuned:
        """Return the model of the epoch that did best on the validation chips.

        Args:
            train: chips to learn from, with what the encoder is told of them.
            val: chips that say when to end.
            seed: of the head's first weights, and of the order.
        """
        tuned = self._begun(train, seed)
        optimizer = torch.optim.AdamW(self._groups(tuned), lr=self.tuning.rate)
        steps = self.tuning.epochs * -(-len(train) // self.tuning.batch_size)
        schedule = Schedule(peak=self.tuning.rate, steps=steps, warmup=int(WARMUP * steps))
        order, step = torch.Generator().manual_seed(seed), 0
        best, most, waited = copy.deepcopy(tuned.state_dict()), -math.inf, 0
        for _ in range(self.tuning.epochs):
            shuffled = torch.randperm(len(train), generator=order)
            for some in torch.split(shuffled, self.tuning.batch_size):
                schedule.apply(optimizer, step)
                optimizer.zero_grad()
                _loss(tuned, train, some, self._device).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                step += 1
            now, waited = worth(val, tuned.score(val, self.tuning.batch_size)), waited + 1
            if now > most:
                best, most, waited = copy.deepcopy(tuned.state_dict()), now, 0
            if waited == self.tuning.patience:
                break
        tuned.load_state_dict(best)
        return tuned

    @property
    def _device(self) -> torch.device:
        return device(self.tuning.device)

    def _begun(self, train: Samples, seed: int) -> Tuned:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = copy.deepcopy(self.encoder)
            return Tuned(encoder, train.classes, dense=train.kind == MAPS).to(self._device)

    def _groups(self, tuned: Tuned) -> list[dict[str, Any]]:
        """Return parameters that learn alike, with how fast that is and how weights decay."""
        names = [name for name, _ in tuned.encoder.network.named_parameters()]
        lower = {f"encoder.network.{name}": depth for name, depth in depths(names).items()}
        alike: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, one in tuned.named_parameters():
            known = name in lower
            scale = self.tuning.layer_decay ** lower[name] if known else self.tuning.head
            decay = self.tuning.weight_decay if one.ndim > 1 else 0.0
            alike.setdefault((scale, decay), []).append(one)
        return [
            {"params": some, "scale": scale, "weight_decay": decay}
            for (scale, decay), some in alike.items()
        ]


def depths(names: list[str]) -> dict[str, int]:
    """Return how many layers lie between each parameter and the head, by its name.

    The last normalisation is the head's neighbour; what else is in no layer lies below all.
    """
    found = {name: LAYER.search(name) for name in names if "decoder" not in name}
    numbers = {name: int(match[1]) for name, match in found.items() if match}
    if not numbers:
        return dict.fromkeys(names, 0)
    top, below = max(numbers.values()) + 1, min(numbers.values()) - 1
    return {name: top - numbers.get(name, top if LAST.search(name) else below) for name in names}


def load_tuned(path: str | os.PathLike[str]) -> Tuned:
    """Return a tuned model from the file that `cubestore_model.save` wrote of it.

    Raises:
        NotFetchedError: no such file.
        WeightsError: a file of something else.
    """
    file = Path(path)
    if not file.is_file():
        raise files.absent(file)
    told = files.sizes(file)
    if set(told) != set(TunedConfig.__dataclass_fields__):
        raise WeightsError(
            f"{file} holds no tuned model",
            expected="a file that `cubestore probe --method finetune --keep DIR` wrote",
            remedy="load an encoder alone with cubestore_model.load_encoder",
        )
    encoder = untrained(told["model"], config=_sizes(told["sizes"]))
    tuned = Tuned(encoder, tuple(told["classes"]), dense=told["dense"])
    files.load(tuned, file, files.Layout(under=()), told["model"])
    return tuned


def told_of(samples: Samples, some: Tensor, device: str | torch.device) -> dict[str, Any]:
    """Return what an encoder is called with of some chips."""
    rows = some.numpy()
    told = {n: torch.as_tensor(v[rows]).to(device) for n, v in _chips(samples).items()}
    return {**{n: v for n, v in samples.told.items() if n not in PER_CHIP}, **told}


def _chips(samples: Samples) -> Mapping[str, Any]:
    if "pixels" not in samples.told:
        raise MismatchError(
            "Samples without pixels",
            expected="told={'pixels': …} with all that the encoder is called with",
            remedy="take them from a store with method='finetune'",
        )
    return {name: samples.told[name] for name in PER_CHIP if name in samples.told}


def _loss(tuned: Tuned, train: Samples, some: Tensor, device: torch.device) -> Tensor:
    logits = tuned(**told_of(train, some, device))
    truth = torch.from_numpy(train.labels[some.numpy()]).to(device)
    if train.kind != MAPS:
        return linear.loss(logits, truth)
    pixels = functional.interpolate(
        logits, size=truth.shape[-2:], mode="bilinear", align_corners=False
    )
    known = (truth != UNKNOWN).sum().clamp(min=1)
    every = functional.cross_entropy(pixels, truth.long(), ignore_index=UNKNOWN, reduction="sum")
    return every / known


def _sizes(text: str) -> dict[str, Any]:
    told = json.loads(text)
    return {n: tuple(size) if isinstance(size, list) else size for n, size in told.items()}

"""An encoder that is ready: its network with the weights in it, and what is known of both.

encoder = cubestore_model.load_encoder("clay-v1.5", weights="clay-v1.5.ckpt")
out = encoder(pixels, time=time, latlon=latlon, gsd=10.0, wavelengths=[0.493, 0.56, 0.665])
out.embedding  # (B, D)
out.patches  # (B, L, D)
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from cubestore.errors import MismatchError
from cubestore_model import download
from cubestore_model import weights as files
from cubestore_model.encoders.encoded import Encoded, refuse_unfit
from cubestore_model.encoders.entry import Entry, Expected, Told
from cubestore_model.encoders.rcf import empirical
from cubestore_model.encoders.rcf_models import EMPIRICAL
from cubestore_model.encoders.registry import encoders
from cubestore_model.encoders.registry import entry as find
from cubestore_model.errors import NotFetchedError, WeightsError


class Encoder(nn.Module):
    """A network from the registry, in evaluation mode."""

    def __init__(
        self, entry: Entry, network: nn.Module, *, compat: str = "", weights_sha256: str = ""
    ) -> None:
        """Take a network; see :func:`load_encoder`."""
        super().__init__()
        self.entry, self.network, self.compat = entry, network, compat
        self.weights_sha256 = weights_sha256
        """Of the file of weights; "" where there was none."""

        self.eval()

    @property
    def id(self) -> str:
        """The model's id."""
        return self.entry.id

    @property
    def config(self) -> Any:  # noqa: ANN401 - each model has its own
        """The sizes of the network."""
        return getattr(self.network, "config", self.entry.config)

    @property
    def dimensions(self) -> int:
        """Of a chip's vector."""
        return int(getattr(self.config, "dim", self.entry.dimensions))

    @property
    def patch_size(self) -> int:
        """Pixels along a patch."""
        return int(getattr(self.config, "patch_size", self.entry.patch_size))

    def serialised(self) -> bytes:
        """Return its weights as safetensors, with all that `load_encoder` has to know of them."""
        measured = [asdict(row) for row in self.entry.inputs if row.measured]
        return files.serialised(self.network, self.id, measured)

    @property
    def loss_metric(self) -> str:
        """The name of what `loss` measures; "" where the model has none."""
        metric = getattr(self.network, "loss_metric", None)
        return str(metric()) if callable(metric) else ""

    def forward(self, pixels: Tensor, *, finite: bool = False, **told: Any) -> Encoded:  # noqa: ANN401 - of each network
        """Return the vectors of chips.

        Args:
            pixels: ``(B, C, H, W)`` in floating point, normalised.
            finite: whether they are known to be finite, and need not be looked through.
            told: ``time``, ``latlon``, ``gsd`` and ``wavelengths``, as batches have them; a model
                that needs none of them takes no notice.

        Raises:
            MismatchError: pixels that are not finite, or that the model cannot take.
        """
        refuse_unfit(pixels, finite=finite)
        made: Encoded = self.network(pixels, **self._told(told))
        return made

    def loss(self, pixels: Tensor, **told: Any) -> Tensor:  # noqa: ANN401 - of each network
        """Return how badly each chip is reconstructed, ``(B,)``; `loss_metric` says in what.

        Raises:
            MismatchError: the model has no loss, or pixels that it cannot take.
        """
        refuse_unfit(pixels)
        measure = getattr(self.network, "loss", None)
        if measure is None:
            raise MismatchError(
                f"A loss of {self.id}",
                expected="a model that reconstructs pixels, such as clay-v1.5",
                remedy="leave the loss out",
            )
        found: Tensor = measure(pixels, **self._told(told))
        return found

    def _told(self, told: Told) -> Told:
        """Return what the network is told of chips, wrong where published data were."""
        return self.entry.compats[self.compat](told) if self.compat else told


def load_encoder(
    model: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    config: Mapping[str, Any] | None = None,
    compat: str = "",
    name: str = "",
    watch: download.Watch | None = None,
) -> Encoder:
    """Return an encoder with its weights, on the CPU, in evaluation mode.

    Args:
        model: its id; see :func:`cubestore_model.encoders` and ``cubestore models``.
        weights: a file, safetensors or a checkpoint of torch; None: those that were published,
            from where they are kept or else fetched; a model of which none were published starts
            from the same random ones every time.
        config: sizes that are not the published ones, by name.
        compat: name of published data that are to be made again, with what was wrong in them.
        name: an id of its own, under which its vectors are kept; "": the model's.
        watch: told of bytes as they are fetched.

    Raises:
        UnknownEncoderError: nobody registered such a model.
        NotFetchedError: weights that are not here, and cannot be fetched now.
        WeightsError: a file that holds no weights, or those of another model.
        MismatchError: a config or compat that the model does not have, or a name of another.
    """
    found = find(model)
    _refuse_compat(found, compat)
    called = _called(found, name)
    path = _file(found, weights, watch)
    if path is None:
        return Encoder(called, _untrained(found, config or {}), compat=compat)
    if not path.is_file():
        raise files.absent(path)
    files.refuse_named(path, found.id)
    sizes = _sizes(found, {**files.sizes(path), **(config or {})})
    digest = files.sha256(path)
    if weights is None and not digest.startswith(found.sha256):
        raise _other_file(found, path, digest)
    network = _empty(found, sizes) if found.fillable else found.build(sizes)
    files.load(network, path, found.layout, found.id)
    rows = tuple(Expected(**row) for row in files.inputs(path))
    called = replace(called, inputs=(*called.inputs, *rows))
    return Encoder(called, network, compat=compat, weights_sha256=digest)


def untrained(model: str, *, config: Mapping[str, Any] | None = None, seed: int = 0) -> Encoder:
    """Return an encoder with random weights, the same for a seed: where a training begins.

    Raises:
        UnknownEncoderError: nobody registered such a model.
        MismatchError: a config that the model does not have.
    """
    found = find(model)
    return Encoder(found, _untrained(found, config or {}, seed))


def empirical_rcf(chips: Iterable[Tensor], **config: Any) -> Encoder:  # noqa: ANN401 - of RcfConfig
    """Return random convolutional features whose filters are patches of chips, whitened.

        encoder = empirical_rcf(inputs(rcf, batch)["pixels"] for batch in loader)
        cubestore_model.save(encoder.network, "filters.safetensors")
        encoder = load_encoder("rcf-empirical", weights="filters.safetensors")

    Args:
        chips: batches ``(B, C, H, W)``, normalised; all are gone through.
        config: ``features``, ``kernel_size``, ``seed`` …; see `RcfConfig`.

    Raises:
        MismatchError: no chips, or chips that do not go together; a config that it does not have.
    """
    found = find(EMPIRICAL)
    network = empirical(chips, _sizes(found, config))
    digest = hashlib.sha256(files.serialised(network)).hexdigest()
    return Encoder(found, network, weights_sha256=digest)


def weights_file(entry: Entry) -> Path:
    """Return where the published weights of a model are kept, once they are fetched."""
    suffix = Path(urlsplit(entry.url).path).suffix or ".pth"
    return download.folder() / f"{entry.id}{suffix}"


def _called(found: Entry, name: str) -> Entry:
    """Return an entry under a name of its own.

    Raises:
        MismatchError: it is that of another model, or none.
    """
    if name and (not name.isprintable() or name in encoders().keys() - {found.id}):
        raise MismatchError(
            f"The name {name!r} for {found.id}",
            expected="one that no other model has",
            remedy=f"call it {found.id}- and what tells it apart",
        )
    return replace(found, id=name or found.id)


def _file(
    entry: Entry, weights: str | os.PathLike[str] | None, watch: download.Watch | None
) -> Path | None:
    """Return the file of the weights, fetched where it has to be; None: the model has none."""
    if weights is not None:
        return Path(weights)
    if entry.made_by:
        raise NotFetchedError(
            f"Nobody publishes weights of {entry.id}",
            expected="a file of your own",
            remedy=f"make it with {entry.made_by}, and pass it as weights (--weights FILE)",
        )
    if not entry.url:
        return None
    kept = weights_file(entry)
    if not kept.exists():
        download.fetch(entry.url, kept, digest=entry.sha256, watch=watch)
    return kept


def _other_file(entry: Entry, path: Path, digest: str) -> WeightsError:
    return WeightsError(
        f"{path} has the SHA-256 {digest}",
        expected=f"{entry.sha256}, as published of {entry.id}",
        remedy=f"put {entry.url} there, or pass the file that you want as weights (--weights FILE)",
    )


def _untrained(entry: Entry, config: Mapping[str, Any], seed: int = 0) -> nn.Module:
    sizes = _sizes(entry, config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return entry.build(sizes)


def _empty(entry: Entry, sizes: Any) -> nn.Module:  # noqa: ANN401 - each model has its own
    """Return a network without any numbers in it."""
    with torch.device("meta"):
        network = entry.build(sizes)
    return network.to_empty(device="cpu")


def _sizes(entry: Entry, config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - each model has its own
    """Return an entry's config with other sizes in it."""
    known = [one.name for one in fields(entry.config)] if is_dataclass(entry.config) else []
    unknown = [name for name in config if name not in known]
    odd = [
        n for n in config if n in known and type(config[n]) is not type(getattr(entry.config, n))
    ]
    if unknown or odd:
        raise MismatchError(
            f"config {dict(config)} of {entry.id}: {(unknown + odd)[0]}",
            expected=f"some of {', '.join(known)}, of the types of {entry.config}"
            if known
            else "no config",
            remedy="leave it out",
        )
    return replace(entry.config, **config) if config else entry.config


def _refuse_compat(entry: Entry, compat: str) -> None:
    if compat and compat not in entry.compats:
        raise MismatchError(
            f"compat {compat!r} of {entry.id}",
            expected=", ".join(map(repr, entry.compats)) or "none",
            remedy="leave compat out",
        )

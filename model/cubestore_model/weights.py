"""Weights from files: read without running anything in them, and matched name by name.

A file is what its first bytes say: safetensors, or a checkpoint of torch, which is read with
``weights_only=True``. A checkpoint wraps the model's names in those of its training; `Layout` says
how, and nothing may be missing or left over but what it names.
"""

import argparse
import hashlib
import json
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cubestore_model.errors import NotFetchedError, WeightsError

Tensors = dict[str, Tensor]

HARMLESS: list[Any] = [argparse.Namespace]
"""What published checkpoints hold beside tensors: the options of their training."""

MADE = "cubestore"
"""The entry of safetensors' metadata that the model's id and sizes, and what it expects of sensors
that it was first trained on here, are written to, as JSON: one, for the order of several is not the
same every time."""

_UNREADABLE = (
    RuntimeError,
    ValueError,
    KeyError,
    AttributeError,
    EOFError,
    pickle.UnpicklingError,
    SafetensorError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a model's names are wrapped in its published checkpoints."""

    under: tuple[str, ...] = ("state_dict", "model", "teacher")
    """Entries that the tensors may lie under."""

    ways: tuple[Mapping[str, str], ...] = ({"": ""},)
    """Ways in which names begin, and how they begin in the model; the best that fits is taken."""

    beside: tuple[str, ...] = ()
    """How names begin that are not of this model: momentum encoders, teachers, queues."""

    heads: tuple[str, ...] = ()
    """How names begin in the model that only its training needed."""

    optional: tuple[str, ...] = ()
    """Parts of the model that a file may lack as a whole: a decoder."""


def load(network: nn.Module, path: Path, layout: Layout, model: str) -> None:
    """Fill a network with the weights of a file.

    Args:
        network: the model; an optional part that the file lacks becomes None.
        path: the file.
        layout: how names are wrapped in it.
        model: the model's id, for messages.

    Raises:
        NotFetchedError: no such file.
        WeightsError: no weights, those of another model, or cut short.
    """
    found = matched(read(path, layout.under), layout, set(network.state_dict()))
    for part in layout.optional:
        if not any(name.startswith(f"{part}.") for name in found):
            setattr(network, part, None)
    _refuse_others(network.state_dict(), found, path, model)
    network.load_state_dict(found)


def matched(tensors: Mapping[str, Tensor], layout: Layout, names: set[str]) -> Tensors:
    """Return tensors by the model's names, in the way that gives most of them."""
    made = [_renamed(tensors, way, layout) for way in layout.ways]
    return max(made, key=lambda one: len(names & set(one)))


def _renamed(tensors: Mapping[str, Tensor], way: Mapping[str, str], layout: Layout) -> Tensors:
    made: Tensors = {}
    for name, tensor in tensors.items():
        start = next((old for old in way if name.startswith(old)), None)
        if layout.beside and name.startswith(layout.beside):
            continue
        made[name if start is None else way[start] + name.removeprefix(start)] = tensor
    return {n: t for n, t in made.items() if not (layout.heads and n.startswith(layout.heads))}


def _refuse_others(
    wanted: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path, model: str
) -> None:
    """Refuse names that are missing or left over, and tensors of another shape."""
    missing, unknown = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    shapes = {n: (tuple(found[n].shape), tuple(wanted[n].shape)) for n in set(wanted) & set(found)}
    odd = sorted(name for name, (is_, should) in shapes.items() if is_ != should)
    if not missing and not unknown and not odd:
        return
    told = [
        f"{len(names)} {what}, such as {names[0]}"
        for what, names in (("missing", missing), ("unknown", unknown))
        if names
    ]
    told += [f"{odd[0]} of shape {shapes[odd[0]][0]}, not {shapes[odd[0]][1]}"] if odd else []
    raise WeightsError(
        f"{path} holds {len(found)} tensors, {len(shapes)} of the {len(wanted)} of {model}: "
        + "; ".join(told),
        expected=f"the weights of {model}, whole",
        remedy="name the model that they are of (`cubestore models`), or its sizes in `config`",
    )


def read(path: Path, under: tuple[str, ...] = ()) -> Tensors:
    """Return the tensors of a file by name; none of its code is run.

    Args:
        path: the file.
        under: entries that the tensors may lie under.

    Raises:
        NotFetchedError: no such file.
        WeightsError: it holds no tensors, cannot be read, or would run code.
    """
    if not path.is_file():
        raise absent(path)
    try:
        content: Any = _content(path)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    for name in under:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    named = content if isinstance(content, Mapping) else {}
    tensors = {str(n): t for n, t in named.items() if isinstance(t, Tensor)}
    if not tensors:
        raise WeightsError(
            f"{path} holds no tensors, but {', '.join(map(str, named)) or 'nothing'}",
            expected=f"tensors by name, or under {', '.join(under) or 'their names'}",
            remedy="pass a file of weights",
        )
    return tensors


def absent(path: Path) -> NotFetchedError:
    """Return the error that a file is not there."""
    return NotFetchedError(
        f"There is no file {path}",
        expected="a file of weights",
        remedy="see where `cubestore models` says that they are published",
    )


def serialised(
    network: nn.Module, model: str = "", inputs: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return a network's weights as safetensors, with its sizes, the model's id and its inputs."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    config: Any = getattr(network, "config", None)
    known = is_dataclass(config) and not isinstance(config, type)
    told = {"model": model, "config": asdict(config) if known else {}, "inputs": [*inputs]}
    return safetensors.torch.save(tensors, metadata={MADE: json.dumps(told)})


def save(network: nn.Module, path: str | os.PathLike[str], *, model: str = "") -> None:
    """Write a network's weights as safetensors; the file appears whole, or not at all.

    Args:
        network: an encoder's.
        path: the file.
        model: the encoder's id: the file is then refused under another.
    """
    part = Path(f"{os.fspath(path)}.part")
    part.write_bytes(serialised(network, model))
    part.replace(path)


def sizes(path: Path) -> dict[str, Any]:
    """Return the sizes that `save` wrote beside weights; {}: a file of others.

    Raises:
        WeightsError: it cannot be read.
    """
    return with_tuples(_made(path).get("config", {}))


def inputs(path: Path) -> list[dict[str, Any]]:
    """Return what a file tells of sensors that nobody published numbers of; []: nothing.

    Raises:
        WeightsError: it cannot be read.
    """
    return [with_tuples(row) for row in _made(path).get("inputs", [])]


def with_tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON held with tuples for its lists."""
    return {n: tuple(value) if isinstance(value, list) else value for n, value in told.items()}


def refuse_named(path: Path, model: str) -> None:
    """Refuse weights of which their file says that they are another model's.

    Raises:
        WeightsError: it does, or cannot be read.
    """
    named = _made(path).get("model") or model
    if named != model:
        raise WeightsError(
            f"{path} holds weights of {named}",
            expected=f"those of {model}",
            remedy=f"name {named} as the model",
        )


def _made(path: Path) -> dict[str, Any]:
    """Return what `save` wrote beside tensors; {}: a file of others."""
    if not _is_safetensors(path):
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {}).get(MADE, "{}")))
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do: with the length of a header, and the header."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def _content(path: Path) -> object:
    """Return what is in the file, as its first bytes say that it is to be read."""
    if _is_safetensors(path):
        return safetensors.torch.load_file(path)
    zipped = zipfile.is_zipfile(path)
    with torch.serialization.safe_globals(HARMLESS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old checkpoints' pickle protocols
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def _unreadable(path: Path, error: Exception) -> WeightsError:
    code = re.search(r"GLOBAL (\S+)", str(error))
    if code:
        return WeightsError(
            f"{path} asks for {code[1]} to be run, beside its tensors",
            expected="tensors alone",
            remedy="where you trust its source, write the tensors as safetensors first",
        )
    if isinstance(error, pickle.UnpicklingError):
        why = "it holds other things than tensors"  # torch's own advice is to run what it holds
    else:
        why = str(error).partition("\n")[0] or "it ends too early"
    return WeightsError(
        f"{path} cannot be read: {why}",
        expected="safetensors, or a checkpoint of torch, whole",
        remedy="fetch it again; a page of a web site is no weights",
    )

"""Which encoders there are: ours, those that a user registered, those of installed packages.

    from cubestore_model import Encoded, Entry, register_encoder

    class Brightness(torch.nn.Module):
        def forward(self, pixels, **_):
            return Encoded(pixels.mean((2, 3)), pixels.flatten(2).mT)

    register_encoder(Entry(id="brightness", title="Mean of each band", dimensions=10,
                           patch_size=1, chip_size=256, build=lambda config: Brightness()))

A package does the same with an entry point of the group ``cubestore.encoders`` that names an
`Entry`, or a function that returns one.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from cubestore.errors import MismatchError
from cubestore_model.encoders.clay_models import CLAY
from cubestore_model.encoders.entry import Entry
from cubestore_model.encoders.rcf_models import RCF
from cubestore_model.encoders.ssl4eo_models import SSL4EO
from cubestore_model.errors import UnknownEncoderError

GROUP = "cubestore.encoders"
"""The group of entry points by which packages add encoders."""

OURS = (*RCF, *CLAY, *SSL4EO)

_registered: dict[str, Entry] = {}


def register_encoder(entry: Entry) -> None:
    """Add an encoder, or replace one that was registered in this process.

    Raises:
        MismatchError: its id is that of one of ours.
    """
    if any(entry.id == ours.id for ours in OURS):
        raise MismatchError(
            f"An encoder {entry.id!r} is there already",
            expected="an id of its own",
            remedy="choose another id",
        )
    _registered[entry.id] = entry


def encoders() -> Mapping[str, Entry]:
    """Return every encoder by its id.

    Raises:
        MismatchError: an installed package's entry point gives none.
    """
    installed = {one.id: one for one in map(_installed, entry_points(group=GROUP))}
    return {**installed, **_registered, **{one.id: one for one in OURS}}


def entry(model: str) -> Entry:
    """Return an encoder's entry.

    Raises:
        UnknownEncoderError: nobody registered one of that id.
    """
    known = encoders()
    if model not in known:
        raise UnknownEncoderError(
            f"No encoder is called {model!r}",
            expected=f"one of {', '.join(known)}",
            remedy="choose one of those, or add yours with cubestore_model.register_encoder",
        )
    return known[model]


def _installed(point: EntryPoint) -> Entry:
    """Return what an installed package adds."""
    found = point.load()
    made = found if isinstance(found, Entry) else found()
    if not isinstance(made, Entry):
        raise MismatchError(
            f"The entry point {point.name} = {point.value} gives a {type(made).__name__}",
            expected="a cubestore_model.Entry, or a function that returns one",
            remedy="correct the package that declares it, or uninstall it",
        )
    return made

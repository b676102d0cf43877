"""What is asked of a store: whose vectors of which chips, and by which labels."""

from dataclasses import dataclass

from cubestore.embeddings import listed, variable_name
from cubestore.store import Store
from cubestore_model.encoder import Encoder, load_encoder
from cubestore_model.encoders.registry import encoders, entry

WORLDCOVER = "esa-worldcover"
"""The labels that are another cube's of the tile, rather than a variable."""

SEGMENTATION = "segmentation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Chips and labels of a store."""

    store: Store
    model: str
    labels: str
    """``esa-worldcover``, or a variable."""

    task: str = "classification"
    sensor: str = ""
    """A sensor's id, of a patch set a variable; "": the first that there are vectors of."""

    tile: tuple[str, ...] = ()
    present: float | None = None
    """A class is in a chip where it covers more than this part; None: a chip is of one class."""

    own: Encoder | None = None
    """An encoder to compute with, whatever the store holds."""

    use: tuple[str, ...] = ()
    """The bands that are used, of a model that takes some; (): all."""

    tuned: bool = False
    """Whether it is to be tuned, and needs the pixels."""

    @property
    def maps(self) -> bool:
        """Whether labels are maps, and vectors are of patches."""
        return self.task == SEGMENTATION

    @property
    def encoder(self) -> Encoder:
        """What computes vectors that the store does not hold."""
        return self.own or load_encoder(self.model)

    @property
    def sensors(self) -> list[str]:
        """The sensors that are looked for."""
        if self.sensor:
            return [self.sensor]
        if self.own is None and self.model not in encoders():
            return self._holding or [row.sensor for row in entry(self.model).inputs]
        known = self.own.entry if self.own else entry(self.model)
        return [row.sensor for row in known.inputs]

    @property
    def _holding(self) -> list[str]:
        """The sensors whose cubes hold vectors of that name, which is a user's own."""
        name, cubes = variable_name(self.model), self.store.cubes()
        held = ((one[1], listed(self.store.cube(*one))) for one in cubes)
        return sorted({s for s, some in held if name in {o.embedding.variable for o in some}})

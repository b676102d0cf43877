"""What readers see of variables that are filled slot by slot: the slots that are complete.

A variable such as an embedding is there for every slot, with values for some. Which ones is in
the root; what else lies on disk is a commit under way, and reads as not computed.
"""

from collections.abc import Mapping, Sequence

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

COMPUTED = "cubestore:computed"
"""Root attribute: variable -> [first slot, behind the last, commit of their pixels], …"""

Runs = Sequence[Sequence[int]]
"""[first slot, behind the last, commit of their pixels], …"""


def visible(store: Store, computed: Mapping[str, Runs]) -> Store:
    """Return a store that shows of each variable in ``computed`` only the slots in its runs."""
    return _Visible(store, computed) if computed else store


class _Visible(WrapperStore[Store]):
    def __init__(self, store: Store, computed: Mapping[str, Runs]) -> None:
        super().__init__(store)
        self._computed = computed

    def _with_store(self, store: Store) -> "_Visible":
        return _Visible(store, self._computed)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        return None if self._hides(key) else await super().get(key, prototype, byte_range)

    def _hides(self, key: str) -> bool:
        name, _, index = key.partition("/c/")
        if not index or name not in self._computed:
            return False
        slot = int(index.partition("/")[0])
        return not any(first <= slot < end for first, end, _ in self._computed[name])

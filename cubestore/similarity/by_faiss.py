"""Candidates by faiss, for those who have it: https://github.com/facebookresearch/faiss.

Vectors are held once more, a byte for each number, by faiss' scalar quantizer. That takes longer to
make than our signs, and a quarter of the vectors' memory; it is quicker where there are more
processors than memory can feed. What it finds is measured exactly, as ever.
"""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cubestore.errors import QueryError
from cubestore.similarity.codes import ROWS, Stored
from cubestore.similarity.search import Asked, Block, Metric


@dataclass(frozen=True, slots=True)
class Faiss:
    """Indexes of vectors, each made when it is first asked."""

    _made: dict[tuple[int, Metric], tuple[Stored, Any]] = field(default_factory=dict)
    """By the vectors, which are held so that their number is not given to others."""

    def candidates(self, block: Block, asked: Asked, count: int) -> NDArray[np.int64]:
        """Return the rows of a block that faiss finds nearest.

        Raises:
            QueryError: faiss is not installed.
        """
        faiss, index = _faiss(), self._index(block, asked.metric)
        options = {} if block.allowed is None else {"params": _only(faiss, block.allowed)}
        vector = asked.vector.astype(np.float32)[None]
        _, rows = index.search(_turned(vector, asked.metric), min(count, index.ntotal), **options)
        found: NDArray[np.int64] = rows[0][rows[0] >= 0]
        return found

    def _index(self, block: Block, metric: Metric) -> Any:  # noqa: ANN401 - faiss' own
        key = id(block.vectors), metric
        if key not in self._made:
            self._made[key] = block.vectors, _made(block, metric)
        return self._made[key][1]


def _made(block: Block, metric: Metric) -> Any:  # noqa: ANN401 - faiss' own
    faiss = _faiss()
    index = faiss.index_factory(block.vectors.shape[1], "SQ8", faiss.METRIC_L2)
    for start in range(0, len(block.vectors), ROWS):
        part = block.vectors[start : start + ROWS].astype(np.float32) * np.float32(block.scale)
        part = _turned(part, metric)
        if not index.is_trained:
            index.train(_sample(block, metric))
        index.add(part)
    return index


def _sample(block: Block, metric: Metric) -> NDArray[np.float32]:
    """Return rows from all over, from which the range of each number is taken."""
    some = block.vectors[:: max(1, len(block.vectors) // ROWS)].astype(np.float32)
    return _turned(some * np.float32(block.scale), metric)


def _turned(vectors: NDArray[np.float32], metric: Metric) -> NDArray[np.float32]:
    """Return directions for a cosine distance: between them the Euclidean one is in its order."""
    if metric == "l2":
        return vectors
    length = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)


def _only(faiss: ModuleType, allowed: NDArray[np.bool_]) -> Any:  # noqa: ANN401 - faiss' own
    return faiss.SearchParameters(sel=faiss.IDSelectorBatch(np.flatnonzero(allowed)))


def _faiss() -> ModuleType:
    try:
        import faiss  # noqa: PLC0415 - an option
    except ImportError as error:
        raise QueryError(
            'engine="faiss", and faiss is not installed',
            expected="the package faiss-cpu or faiss-gpu",
            remedy='pip install faiss-cpu, or ask with engine="signs"',
        ) from error
    module: ModuleType = faiss
    return module

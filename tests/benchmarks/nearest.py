"""The nearest of a million vectors: NumPy's scan, ours by signs and exactly, and faiss.

Run ``TMPDIR=/dev/shm python -m tests.benchmarks.nearest``; it needs 3.5 GB there, and 8 GB of
memory. Vectors and codes lie in a file of the index, mapped into memory, and NumPy scans the same
map; faiss has copies of its own. Contestants take turns in one process, a question each that is
none of the vectors; the median of the rounds is reported. Recall is that of ten neighbours, and
asserted where vectors have structure. A contestant that is not installed fails the run.
"""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from cubestore.similarity import file as indexfile
from cubestore.similarity.codes import encode
from cubestore.similarity.file import Described, Name
from cubestore.similarity.search import Asked, Block, search

ROWS, DIMENSIONS, K = 1_000_000, 768, 10
QUESTIONS = 21
"""The first of which does not count."""

PAUSE = 0.2
"""Seconds after which the threads of BLAS and OpenMP have stopped waiting, and leave the cores."""

STEP = 50_000


def main():
    random = np.random.default_rng(0)
    kinds = {
        "like a model's": modelled(random),
        "clusters": clusters(random),
        "uniform": uniform(random),
    }
    for kind, draw in kinds.items():
        home = Path(tempfile.mkdtemp(prefix="cubestore-benchmark-", dir=os.environ.get("TMPDIR")))
        try:
            compete(kind, draw, home)
        finally:
            shutil.rmtree(home)


def modelled(random):
    """A few directions of falling weight, some noise, and a mean far from 0."""
    weights = (np.arange(1, 65) ** -0.5).astype("float32")
    directions = random.standard_normal((64, DIMENSIONS), dtype="float32")

    def draw(count):
        inner = random.standard_normal((count, 64), dtype="float32") * weights
        return inner @ directions + 0.3 * noise(random, count) + 3

    return draw


def clusters(random):
    """Two thousand kinds of ground, of five hundred chips each."""
    centres = random.standard_normal((2000, DIMENSIONS), dtype="float32")
    return lambda n: centres[random.integers(0, 2000, n)] + 0.5 * noise(random, n) + 3


def uniform(random):
    """No structure: of 768 dimensions none is shared, and all lie about equally far."""
    return lambda count: noise(random, count)


def noise(random, count):
    return random.standard_normal((count, DIMENSIONS), dtype="float32")


def compete(kind, draw, home):
    there, spent = indexed(draw, home)
    questions = draw(QUESTIONS)
    contestants = {
        "numpy": by_numpy(there),
        "cubestore": ours(there),
        "cubestore, one thread": ours(there, threads=1),
        "cubestore, 2000 measured": ours(there, candidates=2000),
        "cubestore, exact": ours(there, exact=True),
    }
    if kind != "uniform":
        for name, index in faiss_indexes(there.vectors).items():
            contestants[name] = by_faiss(index)
    taken, found = turns(contestants, questions)
    print(f"\n{ROWS:,} x {DIMENSIONS}, {kind}; codes made in {spent:.0f} s")
    for name, seconds in taken.items():
        right = np.mean(
            [len(set(a) & set(b)) / K for a, b in zip(found[name], found["numpy"], strict=True)]
        )
        ratio = taken["numpy"] / seconds
        print(f"  {name:<28}{seconds * 1e3:8.1f} ms {ratio:7.1f} x   recall {right:.3f}")
        least = 0.0 if kind == "uniform" or name.startswith("faiss") else 0.98
        assert right >= (0.999 if name == "cubestore, exact" else least), name


def indexed(draw, home):
    """Return a file of the index, mapped, of vectors that are drawn, and what the codes took."""
    vectors = np.empty((ROWS, DIMENSIONS), "float32")
    for start in range(0, ROWS, STEP):
        vectors[start : start + STEP] = draw(STEP)
    begun = time.perf_counter()
    codes = encode([vectors], 1.0, DIMENSIONS)
    spent = time.perf_counter() - begun
    name = Name("mgrs", "31UDQ", "sentinel-2-l2a", "embedding_model")
    folder = home / indexfile.FOLDER
    folder.mkdir(parents=True)
    told = Described(commit=(1, "sha256:0"), scale=1.0, slots=())
    indexfile.write(folder, name, told, np.zeros((ROWS, 3), "int32"), codes, [vectors])
    return indexfile.opened(str(home), name), spent


def by_numpy(there):
    """One product, and the largest of its numbers."""
    lengths = 1 / there.codes.norm

    def ask(question):
        near = there.vectors @ question
        near *= lengths
        return np.argpartition(near, -K)[-K:]

    return ask


def ours(there, **options):
    block = Block(vectors=there.vectors, codes=there.codes)
    return lambda question: search([block], Asked(question.astype(float)), K, **options).row


def faiss_indexes(vectors):
    made = {
        "faiss flat": faiss.index_factory(DIMENSIONS, "Flat", faiss.METRIC_INNER_PRODUCT),
        "faiss SQ8": faiss.index_factory(DIMENSIONS, "SQ8", faiss.METRIC_INNER_PRODUCT),
    }
    made["faiss SQ8"].train(directions(vectors[:STEP]))
    for start in range(0, ROWS, STEP):
        part = directions(vectors[start : start + STEP])
        for index in made.values():
            index.add(part)
    return made


def by_faiss(index):
    return lambda question: index.search(directions(question[None]), K)[1][0]


def directions(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def turns(contestants, questions):
    """Return each contestant's median seconds, and what it found."""
    taken, found = ({name: [] for name in contestants} for _ in range(2))
    for question in questions:
        for name, contestant in contestants.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            rows = contestant(question)
            taken[name].append(time.perf_counter() - start)
            found[name].append(rows.tolist())
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}, found


if __name__ == "__main__":
    main()

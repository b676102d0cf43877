"""The verb ``batches``: streams a store's batches and tells the rate."""

import time
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

import cubestore
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.indexing import Question
from cubestore_pipelines.cli.output import Json, plain_console, show_facts, show_json
from cubestore_pipelines.cli.status import DONE, IN_PART


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Stream:
    """How the chips are gone through."""

    batch_size: int = 32
    """Chips in a batch."""

    bands: Words = ()
    """A band's name; repeatable. All, where none is named."""

    beside: Words = ()
    """Another sensor on the same ground; repeatable."""

    patches: str = ""
    """A patch set, DATASET/PART, instead of cubes; the sensor is its variable."""

    seed: int = 0
    """Of the order."""

    shuffle: Annotated[bool, Parameter(negative="--no-shuffle")] = True
    """Go through the chips in a random order."""

    threads: int = 0
    """Threads; as many as there are processors, where 0."""

    verify: Literal["always", "first", "never"] = "first"
    """When chunks are compared with their checksums."""


def batches(
    store: str,
    /,
    question: Question | None = None,
    stream: Stream | None = None,
    *,
    epochs: int = 1,
    json: Json = False,
) -> int:
    """Stream a store's batches, as a training would, and print the rate; what is damaged is named.

    Example: cubestore batches STORE --sensor sentinel-2-l2a --max-cloud 0.1 --epochs 3

    Args:
        store: path or address of the store.
        question: which chips; needs an index, but for their sensor and size.
        stream: how they are gone through.
        epochs: how often.
        json: print one JSON object.
    """
    asked, how = (question or Question()).asked(), stream or Stream()
    sensors = asked.pop("sensor", None) or sorted(
        {s for _, s in cubestore.open_store(store).cubes()}
    )
    loader = cubestore.batches(
        store,
        sensor=sensors,
        patches=how.patches,
        bands=tuple(how.bands) or None,
        beside=tuple(how.beside),
        batch_size=how.batch_size,
        seed=how.seed,
        shuffle=how.shuffle,
        threads=how.threads,
        verify=how.verify,
        on_error="skip",
        **asked,
    )
    facts = _gone_through(loader, epochs)
    if json:
        show_json({"store": store, **facts})
    else:
        show_facts(facts)
    for name, why in loader.failures:
        plain_console(stderr=True).print(f"cubestore: left out {name}: {why}")
    return IN_PART if loader.failures else DONE


def _gone_through(loader: cubestore.Batches, epochs: int) -> dict[str, object]:
    """Return how many chips came, and how quickly."""
    started, spent, chips, size = time.perf_counter(), time.process_time(), 0, 0
    for _ in range(epochs):
        for batch in loader:
            chips += len(batch["pixels"])
            size += batch["pixels"].nbytes
    wall, cpu = time.perf_counter() - started, time.process_time() - spent
    return {
        "batches": len(loader) * epochs,
        "chips": chips,
        "seconds": round(wall, 3),
        "chips_per_second": round(chips / wall, 1),
        "chips_per_cpu_second": round(chips / cpu, 1),
        "megabytes_per_second": round(size / 1e6 / wall, 1),
        "left_out": len(loader.failures),
    }

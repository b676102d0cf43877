"""The verb ``embed``: a model's vectors into cubes and patch sets."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from cubestore_pipelines.cli.building import Series, Words
from cubestore_pipelines.cli.output import Json, plain_console, show_json, show_table

Flag = Annotated[bool, Parameter(negative="")]


def embed(  # noqa: PLR0913 - a verb's options
    store: Path,
    /,
    *,
    model: str = "rcf",
    weights: Path | None = None,
    sensor: Words = (),
    tile: Words = (),
    patches: Words = (),
    chip_size: int = 0,
    dense: Flag = False,
    loss: Flag = False,
    quantize: Literal["int8"] | None = None,
    max_nodata: float = 0.2,
    use: Series = (),
    zeros: Series = (),
    batch_size: int = 32,
    precision: Literal["float32", "bf16"] = "float32",
    device: str = "",
    compat: str = "",
    name: str = "",
    scheduler: str | None = None,
    workers: int | None = None,
    json: Json = False,
) -> None:
    """Compute a model's vectors of chips into the cubes; only slots that lack them.

    With --patches it embeds patch sets instead: a vector for each acquisition of each patch, whole
    or, with --chip-size, its middle. A second run computes nothing, one that was killed goes on.

    Example: cubestore embed STORE --model clay-v1.5 --weights clay-v1.5.ckpt

    Args:
        store: path of the store.
        model: an encoder's id, see `cubestore models`.
        weights: a file of them; without it those that were published.
        sensor: only cubes of this sensor; repeatable. All that the model was trained on; of a patch
            set the first of those.
        tile: only cubes of this tile; repeatable.
        patches: this patch set, as cloudsen12/high-train, instead of cubes; repeatable. all: every
            one with pixels that the model takes.
        chip_size: pixels along a chip; 0: as the model was trained, and of a patch set the patch.
        dense: keep the vectors of patches too.
        loss: keep how badly each chip is reconstructed.
        quantize: int8: keep integers with a scale.
        max_nodata: the part of a chip that may be nodata, 0 to 1; others get no vector.
        use: the bands that are used, of a model that takes some.
        zeros: bands that the model needs and the cubes lack, given as zeros.
        batch_size: chips that are encoded at once.
        precision: in which the network computes; bf16 is quicker on a GPU, and another set.
        device: cuda, cuda:1, cpu …; the first GPU, or the CPU where there is none.
        compat: name of published data to be made again, with what was wrong in them.
        name: an id of their own for these vectors, where others of the model are kept beside.
        scheduler: address of a dask scheduler, on which cubes and sets are embedded side by side.
        workers: processes of this machine that do so; without both, this one.
        json: print one JSON object.
    """
    from cubestore_model import Options  # noqa: PLC0415 - torch is for who needs it
    from cubestore_pipelines.embed import embed as carry_out  # noqa: PLC0415 - the same

    options = Options(
        chip_size=chip_size,
        dense=dense,
        loss=loss,
        quantize=quantize or "",
        max_nodata=max_nodata,
        use=use,
        zeros=zeros,
        batch_size=batch_size,
        precision=precision,
        device=device,
    )
    console, done = plain_console(stderr=True), []
    for one in carry_out(
        store,
        model,
        weights=weights,
        compat=compat,
        name=name,
        sensor=sensor,
        tile=tile,
        patches=patches,
        options=options,
        scheduler=scheduler,
        workers=workers,
    ):
        done.append(asdict(one))
        console.print(_told(done[-1]))
    if json:
        show_json({"store": str(store), "model": model, "patches" if patches else "slots": done})
    else:
        columns = PATCHES if patches else SLOTS
        show_table(columns, [[one[name] for name in columns] for one in done])


SLOTS = ("tile", "sensor", "slot", "variable", "chips", "left_out", "saturated")
PATCHES = ("patches", "sensor", "first", "end", "variable", "chips", "left_out", "saturated")


def _told(done: dict[str, Any]) -> str:
    """Return a line of what was committed, with what of it was cut off."""
    if "patches" in done:
        told = "{patches} {sensor}: patches {first} to {end}, {chips} vectors".format(**done)
    else:
        told = "{tile} {sensor}: slot {slot}, {chips} chips".format(**done)
    if not done["saturated"]:
        return told
    return f"{told}; {done['saturated']} are cut off: the scale of the first is too small for them"

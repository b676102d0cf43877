"""The verb that lists encoders: what they take, how large they are, where their weights are."""

from typing import TYPE_CHECKING, Any

from cubestore_pipelines.cli.output import Json, show_facts, show_json, show_table

if TYPE_CHECKING:
    from cubestore_model import Entry, Expected


def models(model: str | None = None, /, *, json: Json = False) -> None:
    """List the encoders, or what one takes of each sensor: bands, means, deviations, wavelengths.

    Example: cubestore models clay-v1.5

    Args:
        model: an encoder's id; without it, all are listed.
        json: print one JSON object.
    """
    from cubestore_model.encoders import encoders, entry  # noqa: PLC0415 - torch is for who needs it

    if model is None:
        rows = [_summary(known) for known in encoders().values()]
        if json:
            show_json({"models": rows})
        else:
            show_table(list(rows[0]), [list(row.values()) for row in rows])
        return
    known = entry(model)
    facts, bands = _facts(known), [row for one in known.inputs for row in _bands(one)]
    if json:
        show_json({**facts, "inputs": bands})
        return
    show_facts(facts)
    if bands:
        show_table(list(bands[0]), [list(row.values()) for row in bands])


def _summary(entry: "Entry") -> dict[str, Any]:
    return {
        "model": entry.id,
        "sensors": " ".join(one.sensor for one in entry.inputs),
        "bands": "any" if entry.bands == "any" else _count(entry),
        "chip_size": entry.chip_size,
        "dimensions": entry.dimensions,
        "parameters": entry.parameters or None,
        "weights": _where(entry),
        "license": entry.license,
    }


def _facts(entry: "Entry") -> dict[str, Any]:
    from cubestore_model.encoder import weights_file  # noqa: PLC0415 - torch is for who needs it

    fetched = str(weights_file(entry)) if entry.url else None
    return {
        "model": entry.id,
        "title": entry.title,
        "config": repr(entry.config),
        "chip_size": entry.chip_size,
        "patch_size": entry.patch_size,
        "dimensions": entry.dimensions,
        "pooling": entry.pooling,
        "parameters": entry.parameters or None,
        "url": entry.url or None,
        "sha256": entry.sha256 or None,
        "kept_at": fetched,
        "weights": _where(entry),
        "compat": " ".join(entry.compats) or None,
        "architecture": entry.architecture or None,
        "creator": entry.creator,
        "license": entry.license,
        "reference": entry.reference,
    }


def _bands(expected: "Expected") -> list[dict[str, Any]]:
    """Return a row for each band, in the model's order."""
    waves = expected.wavelengths or (None,) * len(expected.bands)
    rows = zip(expected.bands, expected.mean, expected.std, waves, strict=True)
    return [
        {
            "sensor": expected.sensor,
            "band": band,
            "units": expected.units,
            "mean": mean,
            "std": std,
            "wavelength_um": wave,
        }
        for band, mean, std, wave in rows
    ]


def _count(entry: "Entry") -> str:
    return "/".join(dict.fromkeys(str(len(one.bands)) for one in entry.inputs))


def _where(entry: "Entry") -> str:
    """Return whether weights are here, are fetched when they are first needed, or are made."""
    from cubestore_model.encoder import weights_file  # noqa: PLC0415 - torch is for who needs it

    if entry.url:
        return "here" if weights_file(entry).exists() else "fetched at first"
    return "yours" if entry.made_by else "none needed"

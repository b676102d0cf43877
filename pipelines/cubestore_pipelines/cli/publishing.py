"""The verb ``catalog``: what a store holds, as STAC."""

import sys
from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from cubestore_pipelines.cli.output import Json, show_facts, show_json
from cubestore_pipelines.cli.status import DONE, IN_PART


def catalog(
    store: str,
    /,
    *,
    attributes: Annotated[bool, Parameter(negative="--no-attributes")] = True,
    json: Json = False,
) -> int:
    """Describe a store as a STAC catalogue, static JSON and GeoParquet, in STORE/catalog.

    A second run looks at nothing but what was committed to since. It opens in STAC Browser, in
    pystac and, with its items, in every engine that reads GeoParquet.

    Example: cubestore catalog STORE

    Args:
        store: path of the store.
        attributes: put each cube's item into the cube's own attributes too, a commit for each that
            has changed.
        json: print one JSON object.
    """
    from cubestore_catalog.publish import publish  # noqa: PLC0415 - no other verb waits for it

    done = publish(store, attributes=attributes)
    for path, why in done.failed.items():
        print(f"cubestore: {path}: {why}", file=sys.stderr)  # noqa: T201 - a message
    facts = {**asdict(done), "failed": dict(done.failed)}
    if json:
        show_json({"store": store, **facts})
    else:
        show_facts({**facts, "collections": " ".join(done.collections), "failed": len(done.failed)})
    return IN_PART if done.failed else DONE

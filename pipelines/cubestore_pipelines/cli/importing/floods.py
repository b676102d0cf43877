"""The verb ``import floods``: chips of C2S-MS floods or Sen1Floods11 -> a patch set."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from cubestore_pipelines.benchmarks.floods import import_floods
from cubestore_pipelines.cli.building import Words
from cubestore_pipelines.cli.importing.telling import show, watched
from cubestore_pipelines.cli.output import Json


def floods(  # noqa: PLR0913 - the options of a search
    source: Path,
    store: Path,
    /,
    *,
    layout: Literal["c2sms", "sen1floods11"] | None = None,
    incomplete: Annotated[bool, Parameter(negative="")] = False,
    catalog: str = "",
    profile: Path | None = None,
    compat: Literal["clay"] | None = None,
    collection: Words = (),
    skip_item: Words = (),
    dn_offset: int | None = None,
    resampling: str = "",
    allow: Words = (),
    timeout: float = 30.0,
    limit: int | None = None,
    plan_only: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Bring chips of floods into a store, or what a catalogue has on their ground, Clay's way.

    Example: cubestore import floods c2smsfloods/chips STORE

    Args:
        source: the folder of the chips, or one above it.
        store: path of the store; made where it is not there.
        layout: which data set it is; without it the files tell.
        incomplete: take what is there of a source that lacks files, and list the rest.
        catalog: read the pixels anew, from a provider or the URL or path of a catalogue: the
            Level-2A scene of each chip's granule, Sentinel-1 of the benchmark's list, heights.
        profile: a YAML file that maps the catalogue's collections.
        compat: clay: take the first scene of the day, as Clay's own script did.
        collection: collections to search.
        skip_item: ids of items to leave out.
        dn_offset: what must be added to Level-2A's numbers where items do not tell: -1000 or 0.
        resampling: of pixels that are not the chip's own: nearest, bilinear or cubic.
        allow: hosts and folders, not public, that items of a remote catalogue may point to.
        timeout: seconds that a server may take to answer.
        limit: take the first so many chips.
        plan_only: tell what would be written, and write nothing; nothing is searched.
        json: print one JSON object.
    """
    with watched() as progress:
        done = import_floods(
            source,
            store,
            layout=layout or "",
            incomplete=incomplete,
            compat=compat or "",
            limit=limit,
            plan_only=plan_only,
            progress=progress,
            catalog=catalog,
            profile=profile,
            collection=collection,
            skip_item=skip_item,
            dn_offset=dn_offset,
            resampling=resampling,
            allow=allow,
            timeout=timeout,
        )
    return show(store, done, json=json)

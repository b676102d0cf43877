"""The verb ``serve``: a store by HTTP."""

import sys

from cubestore_pipelines.cli.output import Json, show_json


def serve(
    store: str,
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    seconds: float = 20.0,
    url: str = "",
    json: Json = False,
) -> None:
    """Serve a store: STAC API, page to browse it, Zarr by byte range, pictures, series, neighbours.

    It listens at once with the catalogue that the store has, brings that up to date meanwhile, then
    and after each commit, and ends when it is interrupted. Cubes are only read.

    Example: cubestore serve STORE --port 8000

    Args:
        store: path of the store.
        host: address to listen at; the default is reached from this machine alone.
        port: 0 takes one that is free.
        seconds: what a request may take.
        url: where others see it through a proxy, as https://example.org/cubes: links begin with it.
        json: print the address as one JSON object, when the service listens.
    """
    from cubestore_catalog import serving  # noqa: PLC0415 - a server is for this verb alone

    def ready(url: str) -> None:
        if json:
            show_json({"store": store, "url": url})
        print(f"Serving {store} at {url}. Ctrl-C ends it.", file=sys.stderr)  # noqa: T201 - a message
        sys.stdout.flush()

    def tell(what: str) -> None:
        print(f"{what}.", file=sys.stderr)  # noqa: T201 - a message

    serving.serve(store, host=host, port=port, seconds=seconds, url=url, ready=ready, tell=tell)

"""All of a store by HTTP: the STAC API, its files, pictures, series, neighbours and the page.

    app = service("STORE")

``app`` is a Starlette application for any ASGI server. It only reads. What takes time is done by a
few threads (`limits`), what is asked for is checked before anything is opened (`parameters`), and
what goes wrong is answered with a code and a reason (`answers`).
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from cubestore import Store, disk, open_store
from cubestore.errors import CubestoreError
from cubestore_catalog import served
from cubestore_catalog.api import METHODS, api
from cubestore_catalog.limits import Workers
from cubestore_catalog.search.held import Item
from cubestore_catalog.search.index import Index
from cubestore_catalog.stac.vectors import MODELS
from cubestore_catalog.views import chip, looks, quicklook, similar
from cubestore_catalog.views.components import Embedded
from cubestore_catalog.views.looks import Look
from cubestore_catalog.views.opened import OpenedCube, OpenedCubes
from cubestore_catalog.views.quicklook import Picture, Pictures, Placed
from cubestore_catalog.views.series import series
from cubestore_catalog.web import browse, parameters
from cubestore_catalog.web.answers import address_of, answer, refuse, refuse_rest, refuse_route
from cubestore_catalog.web.attended import Attended
from cubestore_catalog.web.documents import GEOJSON
from cubestore_catalog.web.gate import Gate
from cubestore_catalog.web.headers import BROWSE, SafeHeaders
from cubestore_catalog.web.live import Live, Load, Tell
from cubestore_catalog.web.seen import Seen, parts_of
from cubestore_catalog.web.zarr_files import ZarrFiles

log = logging.getLogger(__name__)

Shown = TypeVar("Shown", bound=Placed)
"""A picture, or where one would lie."""

SECONDS = 20.0
"""What a request has."""

SEARCHING, DRAWING = 4, max(2, (os.cpu_count() or 2) - 1)
"""Threads that search, and that read pixels: apart, so that no search waits for a picture."""

WAITING = 64
"""Requests that may wait for either."""

REFRESH = 5.0
"""Seconds between two looks for new commits."""

EXPOSED = (
    "X-Bounds",
    "X-Corners",
    "X-Window",
    "ETag",
    "Content-Range",
    "Accept-Ranges",
    "Retry-After",
)
"""Headers that a page of another origin may read."""


def service(
    store: str | os.PathLike[str],
    *,
    load: Load = served.contents,
    first: Load | None = None,
    seconds: float = SECONDS,
    refresh: float = REFRESH,
    url: str = "",
    tell: Tell = log.info,
) -> Starlette:
    """Return an application that serves a store.

    Args:
        store: path of the store.
        load: its items and collections.
        first: what is served until these are known, which may take a minute at the first start;
            None: nothing is until then.
        seconds: what a request has.
        refresh: seconds between two looks for new commits.
        url: the address by which others see it, through a proxy; "": the one that they ask.
        tell: called with what is being done, for people.

    Raises:
        AddressError: nothing can be seen at ``url``.
        NotAStoreError: there is none.
        NotWritableError: it is at an address: a store is served where it lies.
        ItemError: items that cannot be served.
    """
    seen = [Middleware(Seen, parts_of(url))] if url else []
    opened = _on_disk(open_store(store))
    service = _Service(
        opened, OpenedCubes(opened), Workers(DRAWING, WAITING, seconds), similar.Similar(opened)
    )
    searching = Workers(SEARCHING, WAITING, seconds)
    build = partial(_catalogue, os.path.basename(opened.path), searching)  # noqa: PTH119 - of a text
    catalogue = Live(opened, load, build, refresh, first=first, tell=tell)
    application = Starlette(
        routes=[*service.routes(), Mount("/", browse.PeopleFirst(catalogue, BROWSE))],
        middleware=[*seen, *_middleware()],
        exception_handlers={
            CubestoreError: refuse,
            HTTPException: refuse_route,
            Exception: refuse_rest,
        },
        lifespan=partial(_alive, catalogue, (service.workers, searching)),
    )
    application.state.store = opened.path
    return application


def _catalogue(
    name: str,
    searching: Workers,
    items: Iterable[Item],
    collections: Sequence[Mapping[str, Any]],
) -> Starlette:
    """Return the API of what a store holds now."""
    if any(one["id"] == MODELS for one in collections):
        similar.get_ready()
    return api(
        Index(items),
        collections,
        title=f"Cubes of {name}",
        description="Analysis-ready cubes of satellite images, one for each tile and sensor.",
        page=BROWSE.removeprefix("/"),
        run=searching.run,
        adapt=served.at,
    )


@contextlib.asynccontextmanager
async def _alive(catalogue: Live, every: Iterable[Workers], _: Starlette) -> AsyncIterator[None]:
    """Look for new commits as long as an application lives, and let its workers go with it."""
    watching = asyncio.create_task(catalogue.watch())
    yield
    watching.cancel()
    for workers in every:
        workers.close()


def _middleware() -> list[Middleware]:
    """Return what each request goes through, from outside."""
    return [
        Middleware(Attended),
        Middleware(SafeHeaders),
        Middleware(Gate),
        Middleware(
            CORSMiddleware,
            allow_origins=["*"],
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Service:
    """The endpoints beside the API's."""

    store: Store
    cubes: OpenedCubes
    workers: Workers
    similar: similar.Similar
    pictures: Pictures = field(default_factory=Pictures)
    embedded: Embedded = field(default_factory=Embedded)

    def routes(self) -> list[Route | Mount]:
        cube, files = "{grid}/{tile}/{sensor}", ZarrFiles(self.store.path)
        return [
            Route(f"/{served.ZARR}/{{key:path}}", files.get),
            Route(f"/{served.QUICKLOOK}/{cube}/{{slot}}.{{ending}}", self.quicklook),
            Route(f"/embedding/{cube}/{{slot}}.{{ending}}", self.embedding),
            Route(f"/series/{cube}", self.series),
            Route("/search/similar", self.search_similar),
            Route("/chip/{chipid}.png", self.chip),
            Mount(BROWSE.rstrip("/"), browse.Page()),
        ]

    async def quicklook(self, request: Request) -> Response:
        names = ("bands", "index", "rescale", "colormap", "size", "window")
        given = parameters.parameters(request, *names)
        look = Look(
            bands=parameters.words(given, "bands"),
            index=given.get("index", ""),
            rescale=parameters.ranges(given, "rescale"),
            colormap=given.get("colormap", ""),
            size=parameters.whole(given, "size", looks.DEFAULT_SIZE, looks.MOST_SIZE),
        )
        ways = {"png": self.pictures.of, "json": quicklook.placed}
        way = ways.get(request.path_params["ending"], self.pictures.of)
        draw = self._of_slot(request, way, look, parameters.window(given))
        return _shown(await self.workers.run(draw), request.path_params["ending"])

    async def embedding(self, request: Request) -> Response:
        given = parameters.parameters(request, "model")
        draw = self._of_slot(request, self.embedded.of, given.get("model", ""))
        return _shown(await self.workers.run(draw), request.path_params["ending"])

    async def series(self, request: Request) -> Response:
        given = parameters.parameters(request, "lon", "lat", "bands")
        at, bands = parameters.place(given), parameters.words(given, "bands")
        return answer(await self.workers.run(lambda: series(self._cube(request), at, bands)))

    async def search_similar(self, request: Request) -> Response:
        names = ("lon", "lat", "time", "chip", "model", "k", "datetime", "sensor")
        given = parameters.parameters(request, *names)
        by_place = "chip" not in given or "lon" in given or "lat" in given
        address = address_of(request)
        question = {
            "at": parameters.place(given) if by_place else None,
            "time": given.get("time", ""),
            "chip": given.get("chip", ""),
            "k": parameters.whole(given, "k", similar.DEFAULT_COUNT, similar.MOST),
            "datetime": given.get("datetime", ""),
            "sensor": given.get("sensor"),
        }
        found = await self.workers.run(
            lambda: self.similar.to(
                given.get("model", ""), lambda name: address.of("chip", f"{name}.png"), **question
            )
        )
        return answer(found, GEOJSON)

    async def chip(self, request: Request) -> Response:
        given = parameters.parameters(request, "size")
        size = parameters.whole(given, "size", chip.DEFAULT_SIZE, chip.MOST_SIZE)
        asked = chip.Chip.called(request.path_params["chipid"])
        return _shown(await self.workers.run(chip.picture, self.cubes, asked, size), "png")

    def _cube(self, request: Request) -> OpenedCube:
        return self.cubes.get(*(request.path_params[name] for name in ("grid", "tile", "sensor")))

    def _of_slot(
        self, request: Request, draw: Callable[..., Shown], *how: object
    ) -> Callable[[], Shown]:
        slot = parameters.slot(request.path_params["slot"])
        if request.path_params["ending"] not in {"png", "json"}:
            raise HTTPException(404)
        return lambda: draw(self._cube(request), slot, *how)


def _shown(found: Placed, ending: str) -> Response:
    """Return a picture, or where it lies."""
    if ending == "png" and isinstance(found, Picture):
        shown = Response(found.png, media_type="image/png")
    else:
        shown = answer(found.facts())
    shown.headers["X-Bounds"] = ",".join(f"{degrees:.9g}" for degrees in found.bounds)
    shown.headers["X-Corners"] = ",".join(f"{d:.12g}" for corner in found.corners for d in corner)
    shown.headers["X-Window"] = ",".join(map(str, found.window))
    shown.headers["Cache-Control"] = "no-cache"
    return shown


def _on_disk(store: Store) -> Store:
    """Return a store by the path that no symbolic link leads to."""
    path = disk.path_of(store.path, remedy="serve it where it lies")
    return replace(store, path=str(path.resolve()))

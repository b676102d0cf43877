"""The page for people: files that were built beforehand and lie in the package."""

from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cubestore_catalog.errors import UnknownRecordError
from cubestore_catalog.web.answers import address_of

BUILT = Path(__file__).parents[1] / "site" / "built"

HTML, JSON = "text/html", "application/json"


class Page(StaticFiles):
    """The files of the page, each asked for anew: the next version has the same names.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path = BUILT) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self.folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file.

        Raises:
            UnknownRecordError: the page was not built.
        """
        if not (self.folder / "index.html").is_file():
            raise UnknownRecordError(
                "The page is not part of this installation",
                expected="its built files in the package",
                remedy="install a release, or build it with `make page`",
            )
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        found = await super().get_response(path, scope)
        found.headers["Cache-Control"] = "no-cache"
        return found


class PeopleFirst:
    """Leads a browser that asks for the root to the page; programs get the API."""

    def __init__(self, app: ASGIApp, page: str) -> None:
        self.app, self.page = app, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, if no person sent it to the root."""
        request = Request(scope)
        if scope["path"].removeprefix(scope.get("root_path", "")) not in {"", "/"}:
            await self.app(scope, receive, send)
            return

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept")
            await send(message)

        page = RedirectResponse(f"{address_of(request).base}{self.page}", 307)
        await (page if prefers_html(request) else self.app)(scope, receive, varying)


def prefers_html(request: Request) -> bool:
    """Whether a request's Accept header puts HTML before JSON."""
    qualities = dict(map(_quality, request.headers.get("accept", "").split(",")))
    return qualities.get(HTML, 0.0) > qualities.get(JSON, 0.0)


def _quality(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q" and value.replace(".", "", 1).isdecimal():
            return media.lower(), float(value)
    return media.lower(), 1.0

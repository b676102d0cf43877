"""Answers of the service: JSON documents, and refusals with a code and a reason."""

from typing import Any
from urllib.parse import quote

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from cubestore.errors import CubestoreError, DamagedError, FormatError
from cubestore_catalog.errors import CatalogError
from cubestore_catalog.web.documents import JSON, Address
from cubestore_catalog.web.headers import SAFE

SOON = 2
"""Seconds after which it is worth trying again when the service is busy."""

UNAVAILABLE = 503


def answer(document: Any, media: str = JSON, status: int = 200) -> Response:  # noqa: ANN401 - whatever JSON holds
    """Return a document as an answer."""
    # Coordinates may be tuples or numpy's, and a property may have anything for a key.
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return Response(orjson.dumps(document, option=options), status, media_type=media)


def address_of(request: Request) -> Address:
    """Return the API's address; Starlette's base_url, below a mount, is the outer app's."""
    root = quote(request.scope.get("root_path", "")).rstrip("/")
    return Address(f"{request.url.scheme}://{request.url.netloc}{root}")


async def refuse(request: Request, error: Exception) -> Response:
    """Answer what the catalogue or the store refuses: found, expected, remedy."""
    status, text = status_of(error), str(error)
    store = getattr(request.app.state, "store", None)
    if store is not None:  # where it lies on this machine is nobody's business
        text = text.replace(store, "The store")
    refusal = answer({"code": type(error).__name__, "description": text}, status=status)
    if status == UNAVAILABLE:
        refusal.headers["Retry-After"] = str(SOON)
    return refusal


async def refuse_route(_: Request, error: Exception) -> Response:
    """Answer a path or a method that there is not."""
    status, detail = (
        (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    )
    return answer({"code": "".join(detail.split()), "description": detail}, status=status)


async def refuse_rest(_: Request, __: Exception) -> Response:
    """Answer what should not have happened; what it was is in the log, and nowhere else."""
    description = "The service failed. Its log tells why."
    failure = answer({"code": "InternalServerError", "description": description}, status=500)
    failure.headers.update(SAFE)  # it is sent from outside of all middleware
    return failure


def status_of(error: Exception) -> int:
    """Return the status of an answer to what went wrong."""
    if isinstance(error, CatalogError):
        return error.status
    if not isinstance(error, CubestoreError) or isinstance(error, (DamagedError, FormatError)):
        return 500
    if isinstance(error, (KeyError, FileNotFoundError)):
        return 404
    return 400 if isinstance(error, ValueError) else 500

"""Files over HTTP, each answer 30 ms late: ``python -m tests.benchmarks.ingest_server FOLDER``."""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

LATENCY = 0.03


class _File(FileResponse):
    chunk_size = 2**22  # of 64 KiB, the server would take more of the machine than what it serves


def main():
    folder = Path(sys.argv[1])

    async def serve(request):
        await asyncio.sleep(LATENCY)
        return _File(folder / request.path_params["path"])

    app = Starlette(routes=[Route("/{path:path}", serve)])
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_keep_alive=60)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()

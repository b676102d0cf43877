"""A service in a process of its own: the store at a path, and 3,000 scenes beside its cubes.

Run ``python -m tests.catalog.loaded STORE``; it prints the port. Clients are given up after a
few seconds, not after minutes, so that tests need not wait.
"""

import socket
import sys

import uvicorn

from cubestore_catalog import service, serving
from cubestore_catalog.served import contents
from cubestore_catalog.web.connections import Connection
from tests.catalog.conftest import COLLECTIONS, collection, scene

SCENES = 3000


class Hasty(Connection):
    """A connection with little patience."""

    asking, taking = 3.0, 1.5


def load(store):
    items, collections = contents(store)
    scenes = [scene(number) for number in range(SCENES)]
    return [*items, *scenes], [*collections, *map(collection, COLLECTIONS)]


def main():
    sys.setswitchinterval(serving.TURN)
    with serving.listening("127.0.0.1", 0) as listener:
        # What was sent lies with us and not with the system, as where lines are slow.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        app = service(sys.argv[1], load=load, refresh=0.05)
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(serving.configured(app, Hasty)).run(sockets=[listener])


if __name__ == "__main__":
    main()

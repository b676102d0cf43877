"""``python -m cubestore_pipelines.simulate DIR``: make the simulated archive and serve it."""

import argparse
import shlex
import sys
import threading
from contextlib import suppress
from pathlib import Path

from cubestore_pipelines.simulate.archive import (
    demo_plan,
    everything_plan,
    make_archive,
    tiny_everything_plan,
    tiny_plan,
)
from cubestore_pipelines.simulate.blobs import LIFETIME
from cubestore_pipelines.simulate.server import Serving, serving


def main() -> None:
    """Serve until interrupted; the environment is printed as a shell's commands."""
    options = _options()
    wide, tiny = (everything_plan, tiny_everything_plan) if options.all else (demo_plan, tiny_plan)
    plan = tiny() if options.tiny else wide()
    archive = make_archive(options.directory, plan, workers=0 if options.tiny else 2)
    lifetime, port = options.token_lifetime, options.port
    with (
        suppress(KeyboardInterrupt),
        serving(archive, token_lifetime=lifetime, port=port) as server,
    ):
        sys.stdout.write(_announcement(server))
        sys.stdout.flush()
        threading.Event().wait()


def _announcement(server: Serving) -> str:
    addresses = {"STAC_URL": server.stac_url, "LINZ_URL": server.linz_url}
    variables = {**addresses, **server.environment}
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    return "".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cubestore_pipelines.simulate")
    parser.description = "Make a small archive of simulated scenes, and serve it on the loopback."
    parser.add_argument("directory", type=Path, help="where the archive is, or will be")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    parser.add_argument("--tiny", action="store_true", help="a few scenes of 300 x 300 pixels")
    parser.add_argument("--all", action="store_true", help="scenes of every sensor")
    parser.add_argument("--token-lifetime", type=float, default=LIFETIME, metavar="SECONDS")
    return parser.parse_args()


if __name__ == "__main__":
    main()

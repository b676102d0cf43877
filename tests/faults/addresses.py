"""Items of a remote catalogue that point where they must not: refused before anyone is asked."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np

from cubestore_pipelines.simulate import items
from cubestore_pipelines.simulate.archive import Archive
from cubestore_pipelines.simulate.faults import Fault, Kind
from cubestore_pipelines.simulate.server import LOOPBACK, serving
from tests.faults import ingest, site
from tests.faults.table import Row

INNER = "127.0.0.2"
"""Another address of this machine's: the catalogue's own is 127.0.0.1, and allowed."""


@dataclass(frozen=True, slots=True)
class Places:
    """What an item would lead to."""

    secret: Path
    """On this machine's disk."""

    port: int
    """Of a server that gives the secret on every address of this machine."""

    own: str
    """The catalogue's server."""


HREFS: dict[str, Callable[[Places], str]] = {
    "file://": lambda at: f"file://{at.secret}",
    "file://localhost": lambda at: f"file://localhost{at.secret}",
    "a path": lambda at: str(at.secret),
    "/vsicurl/": lambda at: f"/vsicurl/http://{INNER}:{at.port}/secret.tif",
    "/vsizip/": lambda at: f"/vsizip/{at.secret}.zip/secret.tif",
    "/vsisubfile/": lambda at: f"/vsisubfile/0_1000000,{at.secret}",
    "vrt://": lambda at: f"vrt://{at.secret}?bands=1",
    "zip+file://": lambda at: f"zip+file://{at.secret}.zip!secret.tif",
    "GTIFF_DIR:": lambda at: f"GTIFF_DIR:1:{at.secret}",
    "DERIVED_SUBDATASET:": lambda at: f"DERIVED_SUBDATASET:LOGAMPLITUDE:{at.secret}",
    "a VRT as an address": lambda at: f"<VRTDataset>{at.secret}</VRTDataset>",
    "another address of this machine": lambda at: f"http://{INNER}:{at.port}/secret.tif",
    "localhost": lambda at: f"http://localhost:{at.port}/secret.tif",
    "localhost with a dot": lambda at: f"http://localhost.:{at.port}/secret.tif",
    "localhost in capitals": lambda at: f"http://LOCALHOST:{at.port}/secret.tif",
    "a private network": lambda _: "http://10.0.0.1/secret.tif",
    "the cloud's metadata": lambda _: "http://169.254.169.254/latest/meta-data/secret.tif",
    "::1": lambda at: f"http://[::1]:{at.port}/secret.tif",
    "mapped into IPv6": lambda at: f"http://[::ffff:{INNER}]:{at.port}/secret.tif",
    "a decimal number": lambda at: f"http://2130706434:{at.port}/secret.tif",
    "a hexadecimal number": lambda at: f"http://0x7f000002:{at.port}/secret.tif",
    "hexadecimal parts": lambda at: f"http://0x7f.2:{at.port}/secret.tif",
    "octal parts": lambda at: f"http://0177.0.0.2:{at.port}/secret.tif",
    "two parts": lambda at: f"http://127.2:{at.port}/secret.tif",
    "0.0.0.0": lambda at: f"http://0.0.0.0:{at.port}/secret.tif",  # noqa: S104 - asked, not bound
    "a user before it": lambda at: f"http://{LOOPBACK}@{INNER}:{at.port}/secret.tif",
    "a backslash before it": lambda at: f"http://{INNER}:{at.port}\\@{LOOPBACK}/secret.tif",
    "a redirect to this machine": lambda at: f"{at.own}/to-this-machine.tif",
    "a redirect to a path": lambda at: f"{at.own}/to-a-path.tif",
    "s3://": lambda _: f"s3://{INNER}/secret.tif",
    "ftp://": lambda at: f"ftp://{INNER}:{at.port}/secret.tif",
}
"""What an item of a catalogue on 127.0.0.1 may say, and none may lead there."""


def addresses(base: Path) -> Iterator[Row]:
    """Point everywhere, with a proxy as many users have one and without; then where it may."""
    yield everywhere(base / "proxied", proxied=True)
    yield everywhere(base / "directly", proxied=False)
    yield allowed(base / "allowed")


def everywhere(base: Path, *, proxied: bool) -> Row:
    """Build from a catalogue whose every item points to another place that is not allowed."""
    row = Row(f"addresses nobody allowed, {'by a proxy' if proxied else 'directly'}")
    one = _case(base)
    hidden = ingest.secret(site.file_of(one.sound, one.granules[0]))
    with site.hosting(_giving(hidden), "0.0.0.0") as trap:  # noqa: S104 - on every address
        port = _free_port()
        at = Places(hidden, trap.port, f"http://{LOOPBACK}:{port}")
        _point(one, [href(at) for href in HREFS.values()])
        with serving(one.spoilt, port=port) as server:
            server.faults.inject(
                _redirect("/to-this-machine.tif", f"http://{INNER}:{trap.port}/secret.tif"),
                _redirect("/to-a-path.tif", f"file://{hidden}"),
            )
            environment = site.surroundings(server)
            if not proxied:
                environment = {k: v for k, v in environment.items() if "proxy" not in k.lower()}
            command = site.arguments(
                one.store, server.stac_url, "--timeout", 2, place=site.NORTH, workers=2
            )
            ingest.judge(row, one, site.run(command, env=environment))
        row.failures += [f"{path} was asked for at {INNER}" for path in trap.paths]
        proxied_to = [path for _, path, _ in server.requests if path.startswith("http://")]
        row.failures += [f"the proxy was asked for {p}" for p in proxied_to if "secret" in p]
    return row.done()


def allowed(base: Path) -> Row:
    """Build from a catalogue whose item points to a place that the user allows."""
    row = Row("an address that the user allowed")
    one = ingest.case(base, [ingest.Spoilt(name="allowed")])
    file = site.file_of(one.sound, one.granules[0])
    with site.hosting(_giving(file), INNER) as inner:
        _point(one, [f"http://{INNER}:{inner.port}/B02.tif"])
        with serving(one.spoilt) as server:
            environment = site.surroundings(server) | {"no_proxy": f"{LOOPBACK},{INNER}"}
            command = site.arguments(one.store, server.stac_url, "--allow", INNER)
            ingest.judge(row, one, site.run(command, env=environment))
        row.failures += [] if inner.paths else ["it was not asked"]
    return row.done()


def _case(base: Path) -> ingest.Case:
    """Return a catalogue with an item for each address, of whose files only one is there."""
    table = [ingest.Spoilt(name=name, told=".") for name in HREFS]
    sound = site.archive(base / "sound", site.scenes(1))
    granules = site.scenes(len(table))
    spoilt = Archive(site.copied(sound, base / "spoilt").directory, granules)
    some = np.ones((1, 1), "uint8")
    site.rewrite(spoilt, [items.item(granule, some) for granule in granules])
    return ingest.Case(base, table, sound, spoilt, granules, [], site.NORTHERN)


def _giving(file: Path) -> site.Answer:
    data = file.read_bytes()

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        site.give(handler, data)

    return answer


def _point(one: ingest.Case, hrefs: list[str]) -> None:
    listed = one.spoilt.items
    for item, href in zip(listed, hrefs, strict=True):
        item["assets"]["B02"]["href"] = href
    site.rewrite(one.spoilt, listed)


def _redirect(path: str, location: str) -> Fault:
    return Fault(path, Kind.REDIRECT, times=None, location=location)


def _free_port() -> int:
    """Return a port that the catalogue will have: its items tell it before it runs."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

"""Which addresses may be read. An item is somebody else's text: it may not point where it likes.

What a catalogue on this machine's own disk names is the user's. What a remote catalogue names must
be public: no path, no loopback, no private network, whatever a name resolves to and wherever a
redirect leads. The catalogue's own host is allowed, and what the user allows by name.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from cubestore_pipelines.errors import RefusedAddressError

SCHEMES = {"http", "https", "s3", "gs"}
DRIVER_TRICK = re.compile(r"^(/vsi|[A-Za-z][A-Za-z0-9_]+:(?!//)|vrt:)")
"""What GDAL would take for more than a path: virtual file systems and connection strings."""


AMBIGUOUS = re.compile(r"[\\\s\x00-\x1f]|^\w+://[^/?#]*@")
"""What programs take apart in different ways: backslashes, blanks, and names before an @."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What items of a catalogue may point to."""

    local: bool = False
    """The catalogue lies on this machine's disk: its items may point anywhere."""

    hosts: frozenset[str] = frozenset()
    """Names and addresses that are allowed, private or not."""

    folders: tuple[str, ...] = ()
    """Folders whose files are allowed."""

    def path(self, href: str) -> Path | None:
        """Return the path that an address means, or None where it is a remote one.

        Raises:
            RefusedAddressError: a path, or a trick with one, that is not allowed.
        """
        parts = urlsplit(href)
        if parts.scheme.lower() in SCHEMES and "://" in href:
            return None
        path = unquote(parts.path) if parts.scheme == "file" else href
        if (parts.scheme not in {"", "file"} and "://" in href) or DRIVER_TRICK.match(path):
            raise refused(href, "it is neither a path nor an address of https, http, s3 or gs")
        real = Path(path).resolve()
        if not self.local and not any(real.is_relative_to(f) for f in self.folders):
            raise refused(href, "it is a path on this machine, in an item of a remote catalogue")
        return real

    def check(self, url: str) -> SplitResult:
        """Return the parts of a remote address that is allowed as it is written.

        Raises:
            RefusedAddressError: it is not.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or AMBIGUOUS.search(url):
            raise refused(url, "it is no address of https or http, or one that can be read twice")
        if not self.trusts(parts.hostname) and _private_name(parts.hostname):
            raise refused(url, "it is on this machine or in a private network")
        return parts

    def trusts(self, host: str) -> bool:
        """Whether a host may lie in a private network."""
        return self.local or host in self.hosts


def policy(catalog: str, allowed: Iterable[str] = ()) -> Policy:
    """Return the policy for a catalogue.

    Args:
        catalog: its address or path.
        allowed: hosts and folders that the user allows.
    """
    words = tuple(allowed)
    folders = tuple(str(Path(word).resolve()) for word in words if "/" in word)
    hosts = {word for word in words if "/" not in word}
    remote = "://" in catalog and not catalog.startswith("file:")
    if remote and (host := urlsplit(catalog).hostname):
        hosts.add(host)
    return Policy(local=not remote, hosts=frozenset(hosts), folders=folders)


def private(address: str) -> bool:
    """Whether an IP address is not of the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return not (mapped or ip).is_global


def _private_name(host: str) -> bool:
    """Whether a host's name alone tells that it is private; others are known when connected."""
    host = host.rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return private(host)
    except ValueError:
        return _private_number(host)


def _private_number(host: str) -> bool:
    """Whether a host is an IPv4 address in a spelling of old: ``127.1``, ``0x7f.2``, one number."""
    try:
        return private(socket.inet_ntoa(socket.inet_aton(host)))
    except OSError:
        return False


def refused(href: str, reason: str) -> RefusedAddressError:
    """Return the error for an address that nobody allowed."""
    shown = href.partition("?")[0][:200]
    return RefusedAddressError(
        f"The address {shown} is refused: {reason}",
        expected="a public address",
        remedy="if you trust it, name its host or folder with --allow",
    )

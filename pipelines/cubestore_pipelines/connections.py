"""Connections: through the proxy that the environment names, else only to public addresses."""

import functools
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cubestore_pipelines.addresses import private, refused

AT_ONCE = 32
"""Requests of one process under way at once."""

GDAL_PROXIES: Mapping[str, str] = {"http": "GDAL_HTTP_PROXY", "https": "GDAL_HTTPS_PROXY"}
"""Who reads archives has set GDAL's own; it is for files, not for catalogues."""

LOOPBACK = ("127.", "localhost", "[::1]")


def manager(url: str, *, trusted: bool, file: bool) -> urllib3.PoolManager:
    """Return the connections for an address.

    Args:
        url: where to.
        trusted: whether the host may lie in a private network.
        file: whether it is a file that is asked for, or a document of a catalogue.
    """
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not proxy_bypass(parts.netloc):
        return _proxied(proxy)
    if file and (proxy := _gdal_proxy(parts.scheme)) and not parts.netloc.startswith(LOOPBACK):
        return _proxied(proxy)
    return _direct(trusted)


def _gdal_proxy(scheme: str) -> str:
    told = os.environ.get(GDAL_PROXIES.get(scheme, ""), "") or os.environ.get("GDAL_HTTP_PROXY", "")
    return told if "://" in told or not told else f"http://{told}"


class _PublicHTTP(HTTPConnection):
    def _new_conn(self) -> Any:  # noqa: ANN401 - a socket
        return _public(super()._new_conn(), self.host)


class _PublicHTTPS(HTTPSConnection):
    def _new_conn(self) -> Any:  # noqa: ANN401 - a socket
        return _public(super()._new_conn(), self.host)


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicHTTP


class _PublicTLSPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPS


def _public(socket: Any, host: str) -> Any:  # noqa: ANN401 - a socket
    """Refuse a connection to a private address before a byte is sent."""
    peer = socket.getpeername()[0]
    if private(peer):
        socket.close()
        raise refused(f"//{host}", f"the name leads to {peer}, in a private network")
    return socket


_OPTIONS: dict[str, Any] = {"num_pools": 20, "maxsize": AT_ONCE, "ca_certs": certifi.where()}


@functools.cache
def _proxied(proxy: str) -> urllib3.PoolManager:
    return urllib3.ProxyManager(proxy, **_OPTIONS)


@functools.cache
def _direct(trusted: bool) -> urllib3.PoolManager:  # noqa: FBT001 - the cache's key
    manager = urllib3.PoolManager(**_OPTIONS)
    if not trusted:
        manager.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicTLSPool}
    return manager

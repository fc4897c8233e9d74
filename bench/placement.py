"""Where the parts of a proxy's configuration really are: real sockets, real files, real folders.

Translation speaks Istio's addresses (``0.0.0.0:80``, ``192.168.0.63:443``) and Istio's file names. A stack
knows what stands in for them; a ``Placement`` carries that knowledge into the files that Envoy reads.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

Address = tuple[str, int]
"""IP address and port."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Real places for one proxy. Addresses and files without an entry stay as translated."""

    config_root: str
    """The folder of the rendered files as Envoy sees it; absolute."""
    log_root: str
    """The folder for Envoy's access logs as Envoy sees it; absolute."""
    admin: Address | str = ("127.0.0.1", 0)
    """Bind address of the admin API, port 0 lets the system choose; or the path of a Unix socket."""
    listeners: Mapping[Address, Address] = field(default_factory=dict)
    """Bind address as translated -> real bind address; real port 0 lets the system choose."""
    endpoints: Mapping[Address, Address] = field(default_factory=dict)
    """Endpoint address as translated, or a name that is resolved -> the real address of its stand-in."""
    closed_port: Address | None = None
    """Where endpoints without a stand-in lead: a port that refuses every connection, so that no proxy of a
    stack ever connects to, or resolves, anything outside of it. None: endpoints without an entry stay."""
    control: str = ""
    """The Unix socket of the control plane as Envoy sees it; empty: ``ads.sock`` in ``config_root``."""
    is_redirected: bool = False
    """Whether connections reach the proxy by redirection within a network that leads nowhere else: only then
    may it send them on to where the client meant them to go."""
    resolver: Address | None = None
    """What answers for the names that nodes play, and for no others. None: nothing does."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File name written in the Istio resources -> real file as Envoy sees it."""

    def stand_in(self, endpoint: Address) -> Address:
        """Where connections to *endpoint*, as translated, really go."""
        exact = self.endpoints.get(endpoint)
        if exact is not None:
            return exact
        wanted = same_endpoint(endpoint)
        for played, real in self.endpoints.items():
            if same_endpoint(played) == wanted:
                return real
        return self.closed_port if self.closed_port is not None else endpoint


def same_endpoint(endpoint: Address) -> Address:
    """One form for all spellings of an endpoint: names in lower case without final dot, short IPv6."""
    host, port = endpoint
    try:
        return str(ipaddress.ip_address(host)), port
    except ValueError:
        return host.lower().removesuffix("."), port


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One rendered file: a path relative to ``Placement.config_root`` and its whole text."""

    path: str
    text: str

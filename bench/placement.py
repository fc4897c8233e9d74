"""Where the parts of a proxy's configuration really are: real sockets, real files, real folders.

Translation speaks Istio's addresses (``0.0.0.0:80``, ``192.168.0.63:443``) and Istio's file names. A stack
knows what stands in for them; a ``Placement`` carries that knowledge into the files that Envoy reads.
"""

from __future__ import annotations

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
    """Endpoint address as translated -> real address."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File name written in the Istio resources -> real file as Envoy sees it."""


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One rendered file: a path relative to ``Placement.config_root`` and its whole text."""

    path: str
    text: str

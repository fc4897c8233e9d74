"""What translation yields for one proxy, before anything is known of real sockets and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import Secret

from bench.istio.inventory import Inventory
from bench.placement import Address
from bench.translate.notices import TranslationWarning
from bench.translate.origins import Origins
from bench.translate.tls_secrets import SYSTEM_ROOTS

ConfigSource = Literal["static", "eds", "ads", "ads-delta"]
"""``static``: endpoints are in the clusters. ``eds``: in files of their own, one for each cluster.
``ads``: everything but secrets comes from a control plane by one aggregated stream, as from istiod, each
answer the state of the world. ``ads-delta``: the same, each answer only what has changed."""
CONFIG_SOURCES: tuple[ConfigSource, ...] = get_args(ConfigSource)


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """File names of certificates that Istio's resources do not name."""

    workload_certificate: str | None = None
    """The certificate chain of the proxy's workload, for ISTIO_MUTUAL."""
    workload_private_key: str | None = None
    workload_ca: str | None = None
    """The mesh's trust bundle, for ISTIO_MUTUAL."""


def workload_material(inventory: Inventory) -> TlsMaterial:
    """Give the file names of a workload's certificates that *inventory* gives."""
    files = inventory.workload
    return TlsMaterial(files.certificate, files.private_key, files.ca) if files is not None else TlsMaterial()


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """The Envoy resources of one proxy, each kind sorted by name.

    Addresses and file names are those of the Istio resources; ``render`` puts the real ones in.
    """

    proxy: str
    config_source: ConfigSource
    listeners: tuple[Listener, ...]
    routes: tuple[RouteConfiguration, ...]
    clusters: tuple[Cluster, ...]
    endpoints: tuple[ClusterLoadAssignment, ...]
    """Load assignments of the EDS clusters; empty with ``static``."""
    secrets: tuple[Secret, ...]
    warnings: tuple[TranslationWarning, ...] = field(default=())
    origins: Origins = field(default_factory=Origins, compare=False, repr=False)
    """The places in the YAML that caused routes, filter chains and clusters."""
    onward: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """Cluster without endpoints that sends connections where they were meant to go -> where those of the
    traffic are; only a scenario knows."""

    @property
    def addresses(self) -> dict[str, tuple[Address, ...]]:
        """Cluster -> where it leads, as translated; a Unix socket's path with port 0."""
        found = {each.cluster_name: tuple(_addresses(each)) for each in self.endpoints}
        for cluster in self.clusters:
            if cluster.load_assignment is not None:
                found[cluster.name] = tuple(_addresses(cluster.load_assignment))
        return found | dict(self.onward)

    @property
    def is_served(self) -> bool:
        """Whether a control plane has its resources, and files only its secrets."""
        return self.config_source in {"ads", "ads-delta"}

    @property
    def listener_addresses(self) -> tuple[Address, ...]:
        """The bind addresses as translated, in the listeners' order."""
        sockets = [
            listener.address.socket_address for listener in self.listeners if listener.address is not None
        ]
        return tuple((socket.address, socket.port_value or 0) for socket in sockets if socket is not None)

    @property
    def file_watches(self) -> int:
        """How many inotify instances Envoy takes to watch its files: one for each subscription.

        Envoy makes one for each of them, also where they are given a watched directory (five EDS clusters in
        one folder take five), so none can be shared; beside them it watches the folders of secrets. Measured
        on Envoy 1.40: past ``fs.inotify.max_user_instances`` (128 on many machines, for all processes of a
        user together) it aborts.
        """
        if self.is_served:
            return self.secret_watches
        return 2 + len(self.routes) + len(self.endpoints) + self.secret_watches

    @property
    def secret_watches(self) -> int:
        """How many of them are for secrets, which are files whatever the source."""
        return 2 * len(self.secrets)

    @property
    def files(self) -> tuple[str, ...]:
        """Each certificate, key and trust bundle that the configuration names, once, sorted."""
        found: set[str] = set()
        for secret in self.secrets:
            if (pair := secret.tls_certificate) is not None:
                found |= {
                    s.filename
                    for s in (pair.certificate_chain, pair.private_key)
                    if s is not None and s.filename
                }
            if (trust := secret.validation_context) is not None and trust.trusted_ca is not None:
                found |= {trust.trusted_ca.filename or SYSTEM_ROOTS}
        return tuple(sorted(found))


def _addresses(assignment: ClusterLoadAssignment) -> Iterator[Address]:
    for group in assignment.endpoints:
        for each in group.lb_endpoints:
            address = each.endpoint.address if each.endpoint is not None else None
            if address is None:
                continue
            if address.socket_address is not None:
                yield address.socket_address.address, address.socket_address.port_value or 0
            elif address.pipe is not None:
                yield address.pipe.path, 0

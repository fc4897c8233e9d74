"""The file that Envoy is started with: who it is, where its admin API listens, where its resources are."""

from __future__ import annotations

from envoy_data_plane.envoy.config.bootstrap.v3 import Admin, Bootstrap, BootstrapDynamicResources
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    ApiVersion,
    ConfigSource,
    Node,
    PathConfigSource,
    Pipe,
    SocketAddress,
)

from bench.placement import Placement

LDS_FILE = "xds/lds.yaml"
CDS_FILE = "xds/cds.yaml"


def build_bootstrap(placement: Placement, *, node_id: str, node_cluster: str) -> Bootstrap:
    """Build the bootstrap: listeners and clusters come from files below ``placement.config_root``.

    Envoy demands a node as soon as anything is dynamic, even from files.
    """
    return Bootstrap(
        node=Node(id=node_id, cluster=node_cluster),
        admin=Admin(address=_admin_address(placement)),
        dynamic_resources=BootstrapDynamicResources(
            lds_config=file_source(placement.config_root, LDS_FILE),
            cds_config=file_source(placement.config_root, CDS_FILE),
        ),
    )


def _admin_address(placement: Placement) -> Address:
    if isinstance(placement.admin, str):
        return Address(pipe=Pipe(path=placement.admin))
    host, port = placement.admin
    return Address(socket_address=SocketAddress(address=host, port_value=port))


def file_source(root: str, path: str) -> ConfigSource:
    """Point to the rendered file *path* below *root*.

    Without ``watched_directory``: Envoy then watches that one file for being replaced by a rename, where a
    watched folder would make every subscription in it read its file again.
    """
    return ConfigSource(
        path_config_source=PathConfigSource(path=f"{root}/{path}"),
        resource_api_version=ApiVersion.V3,
    )

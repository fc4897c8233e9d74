"""The file that Envoy is started with: who it is, where its admin API listens, where its resources are."""

from __future__ import annotations

from datetime import timedelta

from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import (
    Address,
    AggregatedConfigSource,
    ApiConfigSource,
    ApiConfigSourceApiType,
    ApiVersion,
    ConfigSource,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    Http2ProtocolOptions,
    Node,
    PathConfigSource,
    Pipe,
    SocketAddress,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.google.protobuf import Struct

from bench.placement import Placement
from bench.translate.config import ConfigSource as SourceName
from bench.translate.files.options import RenderOptions
from bench.translate.messages import pack

LDS_FILE = "xds/lds.yaml"
CDS_FILE = "xds/cds.yaml"


ADS_CLUSTER = "xds-grpc"
"""As Istio's own agent calls it."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def build_bootstrap(placement: Placement, options: RenderOptions, source: SourceName | None) -> Bootstrap:
    """Build the bootstrap: listeners and clusters come from files, or from the control plane; None: neither.

    Envoy demands a node as soon as anything is dynamic, even from files.
    """
    node = Node(id=options.node_id, cluster=options.node_cluster)
    admin = Admin(address=_admin_address(placement))
    if source in {"ads", "ads-delta"}:
        node.metadata = Struct.from_dict({"GENERATOR": "egress-bench", "CONFIG_SOURCE": source})
        return Bootstrap(
            node=node,
            admin=admin,
            static_resources=BootstrapStaticResources(clusters=[_control_plane(placement)]),
            dynamic_resources=BootstrapDynamicResources(
                ads_config=ApiConfigSource(
                    api_type=_API_TYPES[source],
                    transport_api_version=ApiVersion.V3,
                    set_node_on_first_message_only=True,
                    grpc_services=[GrpcService(envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=ADS_CLUSTER))],
                ),
                lds_config=ads_source(options),
                cds_config=ads_source(options),
            ),
        )
    if source is None:
        return Bootstrap(node=node, admin=admin)
    return Bootstrap(
        node=node,
        admin=admin,
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


_API_TYPES: dict[SourceName, ApiConfigSourceApiType] = {
    "ads": ApiConfigSourceApiType.GRPC,
    "ads-delta": ApiConfigSourceApiType.DELTA_GRPC,
}


def ads_source(options: RenderOptions) -> ConfigSource:
    """Point to the aggregated stream.

    With 0, as in Istio's bootstrap, Envoy waits for a first answer as long as it takes; otherwise it goes on
    without the resource after that many seconds.
    """
    return ConfigSource(
        ads=AggregatedConfigSource(),
        resource_api_version=ApiVersion.V3,
        initial_fetch_timeout=timedelta(seconds=options.initial_fetch_timeout_s),
    )


def control_socket(placement: Placement) -> str:
    """Where Envoy finds the control plane."""
    return placement.control or f"{placement.config_root}/ads.sock"


def _control_plane(placement: Placement) -> Cluster:
    address = Address(pipe=Pipe(path=control_socket(placement)))
    return Cluster(
        name=ADS_CLUSTER,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=timedelta(seconds=1),
        load_assignment=ClusterLoadAssignment(
            cluster_name=ADS_CLUSTER,
            endpoints=[LocalityLbEndpoints(lb_endpoints=[LbEndpoint(endpoint=Endpoint(address=address))])],
        ),
        typed_extension_protocol_options={
            _HTTP_OPTIONS: pack(
                HttpProtocolOptions(
                    explicit_http_config=HttpProtocolOptionsExplicitHttpConfig(
                        http2_protocol_options=Http2ProtocolOptions()
                    )
                )
            )
        },
    )


def file_source(root: str, path: str) -> ConfigSource:
    """Point to the rendered file *path* below *root*.

    Without ``watched_directory``: Envoy then watches that one file for being replaced by a rename, where a
    watched folder would make every subscription in it read its file again.
    """
    return ConfigSource(
        path_config_source=PathConfigSource(path=f"{root}/{path}"),
        resource_api_version=ApiVersion.V3,
    )

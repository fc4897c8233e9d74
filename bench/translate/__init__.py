"""Pure: Istio registry in, Envoy v3 messages out. One file for each Envoy resource.

``translate`` gives the resources of one proxy as typed messages, in the addresses and file names of the Istio
resources; ``render`` puts the real ones in and writes files.
"""

from bench.placement import Address, ConfigFile, Placement
from bench.translate.cluster.connection_pool import HTTP_OPTIONS, upstream_http
from bench.translate.cluster.load_balancer import DYNAMIC_TYPE
from bench.translate.config import CONFIG_SOURCES, ConfigSource, ProxyConfig, TlsMaterial
from bench.translate.copies import with_copied_clusters
from bench.translate.files.options import AccessLogOptions, RenderOptions, TlsVersion
from bench.translate.files.render import (
    ADS_FOLDER,
    BOOTSTRAP_FILE,
    TYPE_URLS,
    render,
    render_endpoints,
    served_text,
)
from bench.translate.files.validation_bootstrap import render_validation_bootstrap
from bench.translate.messages import to_plain, unpack, variant
from bench.translate.names import VIRTUAL_OUTBOUND
from bench.translate.notices import Notice, Refusal, RefusedError, TranslationWarning
from bench.translate.plain_wire import wire_of_plain
from bench.translate.reachable import reachable_clusters
from bench.translate.tls_secrets import SYSTEM_ROOTS
from bench.translate.translate import translate
from bench.translate.wire import field as message_field
from bench.translate.wire import to_wire

__all__ = [
    "ADS_FOLDER",
    "BOOTSTRAP_FILE",
    "CONFIG_SOURCES",
    "DYNAMIC_TYPE",
    "HTTP_OPTIONS",
    "SYSTEM_ROOTS",
    "TYPE_URLS",
    "VIRTUAL_OUTBOUND",
    "AccessLogOptions",
    "Address",
    "ConfigFile",
    "ConfigSource",
    "Notice",
    "Placement",
    "ProxyConfig",
    "Refusal",
    "RefusedError",
    "RenderOptions",
    "TlsMaterial",
    "TlsVersion",
    "TranslationWarning",
    "message_field",
    "reachable_clusters",
    "render",
    "render_endpoints",
    "render_validation_bootstrap",
    "served_text",
    "to_plain",
    "to_wire",
    "translate",
    "unpack",
    "upstream_http",
    "variant",
    "wire_of_plain",
    "with_copied_clusters",
]

"""Pure: Istio registry in, Envoy v3 messages out. One file for each Envoy resource.

``translate`` gives the resources of one proxy as typed messages, in the addresses and file names of the Istio
resources; ``render`` puts the real ones in and writes files.
"""

from bench.placement import Address, ConfigFile, Placement
from bench.translate.config import ConfigSource, ProxyConfig, TlsMaterial
from bench.translate.files.options import AccessLogOptions, RenderOptions
from bench.translate.files.render import render, render_endpoints
from bench.translate.notices import Notice, Refusal, RefusedError, TranslationWarning
from bench.translate.translate import translate

__all__ = [
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
    "TranslationWarning",
    "render",
    "render_endpoints",
    "translate",
]

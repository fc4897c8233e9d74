"""Everything of one proxy in one static bootstrap: the form that ``envoy --mode validate`` looks into.

In that mode Envoy accepts a bootstrap without ever reading the files of its dynamic resources (seen with
Envoy 1.40: a cluster file with an unknown field passes).
"""

from __future__ import annotations

import json

from bench.placement import Placement
from bench.translate.config import ProxyConfig
from bench.translate.files.inline import blocks, routes_inline
from bench.translate.files.options import RenderOptions
from bench.translate.files.place import place_cluster, place_listener, place_secret
from bench.translate.messages import to_plain
from bench.translate.tls_secrets import SYSTEM_ROOTS

NODE = "validation"


def render_validation_bootstrap(config: ProxyConfig, *, pem: str, crl: str) -> str:
    """Render *config*, translated with the config source ``static``, as one JSON bootstrap alone.

    Envoy reads JSON in half the time that YAML takes it: 0.8 s of CPU instead of 1.6 s for 1,000 clusters
    with TLS (Envoy 1.40).

    *pem* is the file that stands in for every certificate, key and trust bundle, *crl* for every list of
    revoked certificates: none of the user's need exist where configurations are only validated.
    """
    files = dict.fromkeys((*config.files, SYSTEM_ROOTS), pem)
    placement = Placement(config_root="/", log_root="/", files=files)
    options = RenderOptions(node_id=NODE)
    secrets, clusters, listeners = (
        [to_plain(each) for each in messages]
        for messages in (config.secrets, config.clusters, config.listeners)
    )
    for secret in secrets:
        place_secret(secret, placement, options)
        for block in secret.values():
            if isinstance(block, dict):
                block.pop("watched_directory", None)
    for cluster in clusters:
        place_cluster(cluster, placement, options)
    for listener in listeners:
        place_listener(listener, placement, options)
    routes_inline(listeners, config.routes)
    for block in blocks([*clusters, *listeners]):
        block.pop("sds_config", None)
        if "crl" in block:
            block["crl"] = {"filename": crl}
    return json.dumps(
        {
            "node": {"id": NODE, "cluster": NODE},
            "static_resources": {"listeners": listeners, "clusters": clusters, "secrets": secrets},
        }
    )

"""Translated resources as files that Envoy reads, in the order in which they can be written safely."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import betterproto2
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment

from bench.placement import ConfigFile, Placement
from bench.translate.config import ProxyConfig
from bench.translate.files.bootstrap import CDS_FILE, LDS_FILE, build_bootstrap
from bench.translate.files.choices import with_choices
from bench.translate.files.options import RenderOptions
from bench.translate.files.place import (
    eds_path,
    place_cluster,
    place_endpoints,
    place_listener,
    place_secret,
    rds_path,
    sds_path,
)
from bench.translate.files.yaml_text import yaml_text
from bench.translate.messages import Plain, to_plain, type_url

BOOTSTRAP_FILE = "bootstrap.yaml"


def render(config: ProxyConfig, placement: Placement, options: RenderOptions) -> list[ConfigFile]:
    """Render all files of one proxy: secrets, EDS, CDS, RDS, LDS, and at last ``bootstrap.yaml``.

    In that order each file only refers to files before it, so that an Envoy that already runs never misses
    one. The same input gives the same bytes. The ``version_info`` of each file is a hash of its resources,
    which Envoy's admin API shows for what it has accepted. RDS, EDS and SDS files hold exactly one
    resource, since Envoy refuses more.
    """
    config = with_choices(config, placement, options)
    files: list[ConfigFile] = []
    for secret in config.secrets:
        plain = _resource(secret)
        place_secret(plain, placement, options)
        files.append(_file(sds_path(secret.name), [plain]))
    files += [render_endpoints(assignment, placement) for assignment in config.endpoints]
    clusters = [_resource(cluster) for cluster in config.clusters]
    for plain in clusters:
        place_cluster(plain, placement, options)
    files.append(_file(CDS_FILE, clusters))
    files += [_file(rds_path(each.name), [_resource(each)]) for each in config.routes]
    listeners = [_resource(listener) for listener in config.listeners]
    for plain in listeners:
        place_listener(plain, placement, options)
    files.append(_file(LDS_FILE, listeners))
    bootstrap = build_bootstrap(placement, node_id=options.node_id, node_cluster=options.node_cluster)
    files.append(ConfigFile(BOOTSTRAP_FILE, yaml_text(to_plain(bootstrap))))
    return files


def render_endpoints(assignment: ClusterLoadAssignment, placement: Placement) -> ConfigFile:
    """Render the EDS file of one cluster."""
    plain = _resource(assignment)
    place_endpoints(plain, placement)
    return _file(eds_path(plain["cluster_name"]), [plain])


def _resource(message: betterproto2.Message) -> Plain:
    return {"@type": type_url(message), **to_plain(message)}


def _file(path: str, resources: Iterable[Plain]) -> ConfigFile:
    body = yaml_text({"resources": list(resources)})
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return ConfigFile(path, f'version_info: "{version}"\n{body}')

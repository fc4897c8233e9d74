"""Translated resources as files that Envoy reads, in the order in which they can be written safely."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

import betterproto2
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration

from bench.placement import ConfigFile, Placement
from bench.translate.config import ProxyConfig
from bench.translate.files.bootstrap import CDS_FILE, LDS_FILE, build_bootstrap
from bench.translate.files.choices import with_choices
from bench.translate.files.inline import routes_inline
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
from bench.translate.messages import Plain, to_plain, type_url, type_url_of

TYPE_URLS = {
    "clusters": type_url_of(Cluster),
    "endpoints": type_url_of(ClusterLoadAssignment),
    "listeners": type_url_of(Listener),
    "routes": type_url_of(RouteConfiguration),
}
"""Kinds of resources that a control plane serves, in warming order, with the URLs of their types."""
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
    if config.is_served:
        files += _served(config, placement, options)
        bootstrap = build_bootstrap(placement, options, config.config_source)
        return [*files, ConfigFile(BOOTSTRAP_FILE, yaml_text(to_plain(bootstrap)))]
    files += [render_endpoints(assignment, placement) for assignment in config.endpoints]
    clusters = [_resource(cluster) for cluster in config.clusters]
    for plain in clusters:
        place_cluster(plain, placement, options)
    listeners = [_resource(listener) for listener in config.listeners]
    for plain in listeners:
        place_listener(plain, placement, options)
    if options.all_in_bootstrap:
        routes_inline(listeners, config.routes)
        return [*files, ConfigFile(BOOTSTRAP_FILE, _whole(clusters, listeners, placement, options))]
    files.append(_file(CDS_FILE, clusters))
    files += [_file(rds_path(each.name), [_resource(each)]) for each in config.routes]
    files.append(_file(LDS_FILE, listeners))
    bootstrap = build_bootstrap(placement, options, config.config_source)
    files.append(ConfigFile(BOOTSTRAP_FILE, yaml_text(to_plain(bootstrap))))
    return files


ADS_FOLDER = "ads"
"""What the control plane serves, one JSON file for each type, one line for each resource."""


def _served(config: ProxyConfig, placement: Placement, options: RenderOptions) -> Iterator[ConfigFile]:
    """Give what the control plane serves, in warming order."""
    clusters, endpoints, listeners, routes = (
        [_resource(each) for each in messages]
        for messages in (config.clusters, config.endpoints, config.listeners, config.routes)
    )
    for plain in clusters:
        place_cluster(plain, placement, options, config.config_source)
    for plain in endpoints:
        place_endpoints(plain, placement)
    for plain in listeners:
        place_listener(plain, placement, options, config.config_source)
    for kind, resources in zip(TYPE_URLS, (clusters, endpoints, listeners, routes), strict=True):
        yield ConfigFile(f"{ADS_FOLDER}/{kind}.json", served_text(resources))


def served_text(resources: Iterable[Plain]) -> str:
    """Give the file that the control plane reads, from resources that begin with their type."""
    lines = ",\n".join([json.dumps(each, ensure_ascii=False) for each in resources])
    return f'{{"resources": [\n{lines}\n]}}\n'


def _whole(
    clusters: Sequence[Plain], listeners: Sequence[Plain], placement: Placement, options: RenderOptions
) -> str:
    """Give the bootstrap of an Envoy that has no other source."""
    resources = {
        "clusters": [_untyped(each) for each in clusters],
        "listeners": [_untyped(each) for each in listeners],
    }
    bare = to_plain(build_bootstrap(placement, options, None))
    return yaml_text({**bare, "static_resources": resources})


def _untyped(resource: Plain) -> Plain:
    """A resource where its place says of what type it is."""
    return {key: value for key, value in resource.items() if key != "@type"}


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

"""A real proxy against the YAML: nothing differs where nothing does, and each change shows with its line."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bench.commands.diff import DiffReport, diff_folder
from bench.commands.translation import write_files
from bench.diff import read_dump
from bench.errors import InputError
from bench.placement import Placement
from bench.scenario.read import read_folder
from bench.translate import RenderOptions, render, translate
from tests.support.envoy import running_envoy

YAML = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.partner.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - {number: 80, name: http, protocol: HTTP, targetPort: 443}
  - {number: 5432, name: tcp-db, protocol: TCP}
  endpoints: [{address: 192.0.2.7}, {address: 192.0.2.8}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.partner.example]
  http:
  - match: [{headers: {want: {exact: v1}}}]
    timeout: 3s
    route: [{destination: {host: api.partner.example, port: {number: 80}}}]
  - route: [{destination: {host: api.partner.example, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec:
  host: api.partner.example
  trafficPolicy:
    portLevelSettings:
    - port: {number: 80}
      outlierDetection: {consecutive5xxErrors: 3}
      tls: {mode: SIMPLE, caCertificates: /etc/partner/ca.crt, sni: api.partner.example}
"""
CLUSTER = "outbound|80||api.partner.example"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mesh")
    (folder / "egress.yaml").write_text(YAML)
    return folder


@pytest.fixture(scope="module")
def dump(mesh, tmp_path_factory) -> dict[str, Any]:
    """What a real Envoy says that it has, after it was fed by files."""
    root = tmp_path_factory.mktemp("proxy")
    config = translate(read_folder(mesh).registry(), "client", config_source="eds")
    sockets = {("0.0.0.0", 15001): ("127.0.0.1", 0)}
    placement = Placement(config_root=str(root), log_root=str(root), listeners=sockets)
    write_files(render(config, placement, RenderOptions(node_id="client")), root)
    with running_envoy(root / "bootstrap.yaml") as envoy:
        found: dict[str, Any] = json.loads(envoy.get("/config_dump?include_eds"))
    return found


def as_of_istiod(dump: dict[str, Any]) -> dict[str, Any]:
    """The same proxy as istiod would feed it: with its telemetry, its own listeners and its own clusters."""
    found = copy.deepcopy(dump)
    parts = {each["@type"].rpartition(".")[2]: each for each in found["configs"]}
    prefix = "type.googleapis.com/envoy.config"
    stats = {"name": "istio.stats", "typed_config": {"@type": "type.googleapis.com/stats.PluginConfig"}}
    for each in parts["ListenersConfigDump"]["dynamic_listeners"]:
        listener = each["active_state"]["listener"]
        listener |= {"traffic_direction": "OUTBOUND", "listener_filters": [{"name": "tls_inspector"}]}
        for chain in listener.get("filter_chains", ()):
            chain["metadata"] = {"filter_metadata": {"istio": {}}}
            last = chain["filters"][-1]["typed_config"]
            if "http_filters" in last:
                last["http_filters"] = [{"name": "istio.alpn", "typed_config": {}}, *last["http_filters"]]
                last["access_log"] = [{"name": "envoy.access_loggers.file"}]
            else:
                chain["filters"].insert(0, stats)
        listener["default_filter_chain"] = {
            "name": "PassthroughFilterChain",
            "filters": [
                {"name": "envoy.filters.network.tcp_proxy", "typed_config": {"cluster": "PassthroughCluster"}}
            ],
        }
    inbound = {"name": "virtualInbound", "traffic_direction": "INBOUND", "address": {"socket_address": {}}}
    parts["ListenersConfigDump"]["dynamic_listeners"].append({"active_state": {"listener": inbound}})
    parts["ListenersConfigDump"]["static_listeners"] = [
        {"listener": {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 15090}}}}
    ]
    for each in parts["ClustersConfigDump"]["dynamic_active_clusters"]:
        each["cluster"] |= {
            "metadata": {"filter_metadata": {}},
            "filters": [{"name": "istio.metadata_exchange"}],
        }
    own = [
        {"cluster": {"@type": f"{prefix}.cluster.v3.Cluster", "name": name}} for name in ("agent", "xds-grpc")
    ]
    parts["ClustersConfigDump"]["static_clusters"] = own
    for each in parts["RoutesConfigDump"]["dynamic_route_configs"]:
        for host in each["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/api"
                route["metadata"] = {"filter_metadata": {"istio": {"config": config}}}
                route["decorator"] = {"operation": "x"}
    return found


def in_camel_case(value: Any) -> Any:
    """As istioctl writes it."""
    if isinstance(value, dict):
        return {_camel(key): in_camel_case(each) for key, each in value.items()}
    return [in_camel_case(each) for each in value] if isinstance(value, list) else value


def _camel(key: str) -> str:
    if "." in key or not key.replace("_", "").isalnum():
        return key
    first, *rest = key.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def compared(mesh: Path, tmp_path: Path, dump: dict[str, Any], **options: bool) -> DiffReport:
    (tmp_path / "dump.json").write_text(json.dumps(dump))
    return diff_folder(mesh, [f"client={tmp_path / 'dump.json'}"], **options)


def cluster(dump: dict[str, Any], name: str = CLUSTER) -> dict[str, Any]:
    parts = {each["@type"].rpartition(".")[2]: each for each in dump["configs"]}
    entries = parts["ClustersConfigDump"]["dynamic_active_clusters"]
    return next(each["cluster"] for each in entries if each["cluster"]["name"] == name)


def routes(dump: dict[str, Any]) -> list[dict[str, Any]]:
    parts = {each["@type"].rpartition(".")[2]: each for each in dump["configs"]}
    entries = parts["RoutesConfigDump"]["dynamic_route_configs"]
    (config,) = (each["route_config"] for each in entries if each["route_config"]["name"] == "80")
    hosts = {each["name"]: each for each in config["virtual_hosts"]}
    return hosts["api.partner.example:80"]["routes"]


@pytest.mark.envoy
def test_a_proxy_that_has_what_the_yaml_means_does_not_differ(mesh, tmp_path, dump):
    """Envoy's own dump, the same with all that istiod adds, and that in istioctl's spelling."""
    for each in (dump, as_of_istiod(dump), in_camel_case(as_of_istiod(dump))):
        (proxy,) = compared(mesh, tmp_path, each).proxies
        assert proxy.lines() == []
        assert proxy.fields > 80


@pytest.mark.envoy
def test_what_differs_in_a_cluster_names_the_line_that_says_otherwise(mesh, tmp_path, dump):
    other = as_of_istiod(dump)
    cluster(other)["outlier_detection"]["consecutive_5xx"] = 9
    del cluster(other)["transport_socket"]

    report = compared(mesh, tmp_path, other)

    assert report.differs
    text = "\n".join(report.proxies[0].lines())
    assert (
        f"cluster {CLUSTER}: outlier_detection › consecutive_5xx: the proxy has 9, the YAML means 3" in text
    )
    assert "transport_socket: the proxy has (nothing)" in text
    assert "egress.yaml:" in text


@pytest.mark.envoy
def test_a_route_is_named_by_the_lines_of_its_rule_and_by_its_origin_there(mesh, tmp_path, dump):
    other = as_of_istiod(dump)
    routes(other)[0]["route"]["timeout"] = "9s"
    (line,) = compared(mesh, tmp_path, other).proxies[0].lines()

    assert line.startswith(
        f"{mesh}/egress.yaml:20: route 1 of api.partner.example:80 in 80 (there by VirtualService shop/api): "
        "route › timeout: the proxy has 9s, the YAML means 3s"
    )


@pytest.mark.envoy
def test_what_only_one_side_has_is_said(mesh, tmp_path, dump):
    other = as_of_istiod(dump)
    parts = {each["@type"].rpartition(".")[2]: each for each in other["configs"]}
    entries = parts["ClustersConfigDump"]["dynamic_active_clusters"]
    stranger = {**cluster(other), "name": "outbound|9080||reviews.default.svc.cluster.local"}
    entries.append({"cluster": stranger})
    entries.remove(next(e for e in entries if e["cluster"]["name"] == "outbound|5432||api.partner.example"))
    routes(other).append(copy.deepcopy(routes(other)[1]))

    text = "\n".join(compared(mesh, tmp_path, other).proxies[0].lines())
    assert "cluster outbound|9080||reviews.default.svc.cluster.local: only in the proxy" in text
    assert "egress.yaml:11: cluster outbound|5432||api.partner.example: only in the YAML" in text
    assert (
        "route 3 of api.partner.example:80 in 80 (there by VirtualService shop/api): only in the proxy"
        in text
    )

    (proxy,) = compared(mesh, tmp_path, other, declared_only=True).proxies
    assert proxy.left_out == 1
    assert "reviews" not in "\n".join(proxy.lines())


@pytest.mark.envoy
def test_a_filter_that_another_resource_added_is_a_difference(mesh, tmp_path, dump):
    other = as_of_istiod(dump)
    parts = {each["@type"].rpartition(".")[2]: each for each in other["configs"]}
    for each in parts["ListenersConfigDump"]["dynamic_listeners"]:
        for chain in each["active_state"]["listener"].get("filter_chains", ()):
            config = chain["filters"][-1]["typed_config"]
            if "http_filters" in config:
                config["http_filters"].insert(0, {"name": "envoy.filters.http.lua", "typed_config": {}})

    assert "envoy.filters.http.lua" in "\n".join(compared(mesh, tmp_path, other).proxies[0].lines())


@pytest.mark.envoy
def test_a_dump_without_endpoints_says_that_they_were_not_compared(mesh, tmp_path, dump):
    other = copy.deepcopy(dump)
    other["configs"] = [
        each for each in other["configs"] if not each["@type"].endswith("EndpointsConfigDump")
    ]

    (proxy,) = compared(mesh, tmp_path, other).proxies
    assert proxy.lines() == []
    assert any("no endpoints" in note for note in proxy.notes)


@pytest.mark.envoy
def test_a_proxy_of_another_version_says_so_and_what_envoy_refused_is_reported(mesh, tmp_path, dump):
    other = copy.deepcopy(dump)
    parts = {each["@type"].rpartition(".")[2]: each for each in other["configs"]}
    parts["BootstrapConfigDump"]["bootstrap"]["node"]["metadata"] = {"ISTIO_VERSION": "1.20.3"}
    error = {"details": "bad address", "failed_configuration": {"name": "0.0.0.0_81"}}
    parts["ListenersConfigDump"].setdefault("dynamic_listeners", []).append(
        {"name": "0.0.0.0_81", "error_state": error}
    )

    (proxy,) = compared(mesh, tmp_path, other).proxies
    assert any("Istio 1.20.3" in note for note in proxy.notes)
    assert "Envoy rejected 0.0.0.0_81: bad address" in proxy.notes


@pytest.mark.envoy
def test_a_dump_may_be_cut_anywhere(mesh, tmp_path, dump):
    whole = json.dumps(as_of_istiod(dump)).encode()
    for part in range(1, 20):
        with pytest.raises(InputError, match="is cut off"):
            read_dump(whole[: len(whole) * part // 20], "dump.json")
    word = whole.index(b"true")
    with pytest.raises(InputError, match="is cut off"):
        read_dump(whole[: word + 3], "dump.json")


@pytest.mark.envoy
def test_a_shell_may_have_written_it_in_utf_16(mesh, tmp_path, dump):
    for encoding in ("utf-16", "utf-8-sig"):
        file = tmp_path / "dump.json"
        file.write_bytes(json.dumps(dump).encode(encoding))
        assert not diff_folder(mesh, [f"client={file}"]).differs


@pytest.mark.envoy
def test_what_a_later_version_adds_is_a_difference_and_no_defect(mesh, tmp_path, dump):
    """Fields, configurations, filters and types that nobody here knows."""
    other = as_of_istiod(dump)
    admin = "type.googleapis.com/envoy.admin.v3"
    parts = {each["@type"].rpartition(".")[2]: each for each in other["configs"]}
    other["configs"] += [
        {"@type": f"{admin}.QuantumConfigDump", "x": 1},
        {"@type": "type.googleapis.com/y.Z"},
    ]
    cluster(other)["warp_factor"] = {"value": 9}
    routes(other)[0]["brand_new"] = True
    for each in parts["ListenersConfigDump"]["dynamic_listeners"]:
        for chain in each["active_state"]["listener"].get("filter_chains", ()):
            chain["filters"][-1]["typed_config"]["@type"] = "type.googleapis.com/envoy.v9.Manager"

    lines = compared(mesh, tmp_path, other).proxies[0].lines()
    text = "\n".join(lines)
    assert "warp_factor: the proxy has {'value': 9}, the YAML means (nothing)" in text
    assert "brand_new: the proxy has True, the YAML means (nothing)" in text
    assert "envoy.v9.Manager" in text
    assert "Quantum" not in text


def of_node(dump: dict[str, Any], node: str) -> dict[str, Any]:
    found = as_of_istiod(dump)
    parts = {each["@type"].rpartition(".")[2]: each for each in found["configs"]}
    parts["BootstrapConfigDump"]["bootstrap"]["node"]["id"] = node
    return found


@pytest.mark.envoy
@pytest.mark.parametrize(
    ("node", "what"),
    [
        ("router~10.1.0.9~istio-egressgateway-1.istio-system~istio-system.svc.cluster.local", "a gateway"),
        ("ztunnel~10.1.0.2~ztunnel-x.istio-system~istio-system.svc.cluster.local", "of a ztunnel"),
    ],
)
def test_the_dump_of_another_kind_of_proxy_is_refused(mesh, tmp_path, dump, node, what):
    with pytest.raises(InputError, match=what) as refused:
        compared(mesh, tmp_path, of_node(dump, node))
    assert node in str(refused.value)
    assert "client is a sidecar" in str(refused.value)


@pytest.mark.envoy
def test_the_dump_of_a_proxy_elsewhere_is_compared_with_a_note(mesh, tmp_path, dump):
    here, there = (f"sidecar~10.1.0.5~web-1.{name}~{name}.svc.cluster.local" for name in ("shop", "billing"))

    (proxy,) = compared(mesh, tmp_path, of_node(dump, there)).proxies
    assert any("in the namespace shop here" in note for note in proxy.notes)
    (proxy,) = compared(mesh, tmp_path, of_node(dump, here)).proxies
    assert not any("namespace" in note for note in proxy.notes)


def test_a_proxy_that_nothing_of_istios_has_reached_says_so(mesh, tmp_path):
    """Of an Envoy without Istio, or before istiod fed it: everything differs, and why is said."""
    admin = "type.googleapis.com/envoy.admin.v3"
    own = {"cluster": {"name": "service_a", "type": "STATIC"}}
    bare = {
        "configs": [
            {"@type": f"{admin}.ClustersConfigDump", "static_clusters": [own]},
            {"@type": f"{admin}.ListenersConfigDump"},
        ]
    }
    report = compared(mesh, tmp_path, bare)
    assert report.differs
    assert any("nothing in the dump comes from Istio" in note for note in report.proxies[0].notes)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ('{"configs": [{"@type": "type.goog', "is cut off"),
        ("listeners:\n- name: x\n", "is not JSON"),
        ("[]", "no list `configs`"),
        ("{}", "no list `configs`"),
        ('{"configs": []}', "nothing to compare"),
        (
            '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"}]}',
            "nothing to compare",
        ),
        (
            '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v4alpha.ClustersConfigDump"}]}',
            "v4alpha, which is not known",
        ),
        ('{"configs": [1]}', "no list `configs` of objects"),
        (
            '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v2alpha.ClustersConfigDump"}]}',
            "API v2alpha",
        ),
        (
            (
                '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",'
                ' "dynamic_active_clusters": [{"cluster": {}}]}]}'
            ),
            "another form",
        ),
        (
            (
                '{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",'
                ' "dynamic_route_configs": [{"route_config": {"name": "80", "virtual_hosts": [{}]}}]}]}'
            ),
            "v3 gives routes",
        ),
        ("[" * 100_000, "nested too deeply"),
        ("<html>502 Bad Gateway</html>", "is not JSON"),
        (b"\x1f\x8b\x08\x00rest", "packed \\(gzip\\)"),
        (b"\x91\x00\xff\xfe{", "is not text"),
        (b"\0\0\0\0", "is not JSON"),
        (b"\xff\xfe{", "is not text"),
    ],
)
def test_what_is_not_a_dump_is_said_in_one_paragraph(text: str | bytes, what: str):
    with pytest.raises(InputError, match=what) as refused:
        read_dump(text.encode() if isinstance(text, str) else text, "dump.json")
    assert "dump.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_names_and_files_that_do_not_exist_are_said(mesh, tmp_path):
    with pytest.raises(InputError, match="no such proxy"):
        diff_folder(mesh, [f"sleep={tmp_path}/x.json"])
    with pytest.raises(InputError, match="NAME=FILE"):
        diff_folder(mesh, ["client"])
    with pytest.raises(InputError, match="cannot be read"):
        diff_folder(mesh, [f"client={tmp_path}/x.json"])

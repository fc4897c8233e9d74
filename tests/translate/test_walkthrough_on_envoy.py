"""The whole path on real Envoys: client, sidecar, egress gateway, mutual TLS, two nodes."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.translate import (
    AccessLogOptions,
    Address,
    ConfigSource,
    Placement,
    RenderOptions,
    render,
    render_endpoints,
    translate,
)
from tests.support.authority import Authority
from tests.support.envoy import RunningEnvoy, running_envoy
from tests.support.waiting import wait_until
from tests.translate.conftest import (
    SHOP,
    WALKTHROUGH,
    call,
    issue_certificates,
    registry_of,
    tls_node,
    walkthrough_inventory,
    write_files,
)

pytestmark = pytest.mark.envoy


@dataclass
class RunningPath:
    """A standing path."""

    sidecar: RunningEnvoy
    gateway: RunningEnvoy
    port: int
    certificates: Authority
    gateway_root: Path
    nodes: dict[Address, Address]


def files_of(certificates: Path) -> dict[str, str]:
    """Certificates in the folder that one rename of ``live`` replaces."""
    return {
        "/etc/istio/certs/tls.crt": f"{certificates}/live/client.crt",
        "/etc/istio/certs/tls.key": f"{certificates}/live/client.key",
        "/etc/istio/ca-certs/ca.crt": f"{certificates}/live/ca.crt",
    }


@contextlib.contextmanager
def running_path(
    root: Path, config_source: ConfigSource, semantics: str = "istio-1.0", **options: object
) -> Iterator[RunningPath]:
    """Stand up two nodes, the gateway and the sidecar, each Envoy on ports that the system chooses."""
    certificates = root / "certs"
    issued = issue_certificates(certificates / "first")
    (certificates / "live").symlink_to("first")
    registry = registry_of(WALKTHROUGH, walkthrough_inventory(semantics))
    with contextlib.ExitStack() as stack:
        nodes = {
            ("192.0.2.63", 443): ("127.0.0.1", stack.enter_context(tls_node("v1", issued))),
            ("192.0.2.64", 443): ("127.0.0.1", stack.enter_context(tls_node("v2", issued))),
        }
        running: dict[str, RunningEnvoy] = {}
        endpoints: dict[Address, Address] = dict(nodes)
        for proxy in ("egress", "client"):
            config = translate(registry, proxy, config_source=config_source)
            placement = Placement(
                config_root=str(root / proxy),
                log_root=str(root),
                listeners=dict.fromkeys(config.listener_addresses, ("127.0.0.1", 0)),
                endpoints=endpoints,
                files=files_of(certificates),
            )
            files = render(config, placement, RenderOptions(node_id=proxy, **options))
            running[proxy] = stack.enter_context(running_envoy(write_files(files, root / proxy)))
            if proxy == "egress":
                endpoints["10.1.0.9", 80] = ("127.0.0.1", running[proxy].ports()["0.0.0.0_80"])
        yield RunningPath(
            running["client"],
            running["egress"],
            running["client"].ports()["0.0.0.0_80"],
            issued,
            root / "egress",
            nodes,
        )


@pytest.mark.parametrize("config_source", ["static", "eds"])
def test_requests_reach_the_subset_that_their_header_asks_for(tmp_path, config_source):
    """The header picks the node, over mutual TLS, by either config source; everything else gets 404."""
    with running_path(tmp_path, config_source) as path:
        assert call(path.port, SHOP, {"want": "v1"})[1].startswith("v1 ")
        assert call(path.port, f"{SHOP}:80", {"WANT": "v2"})[1].startswith("v2 ")
        for headers in ({}, {"want": ""}, {"want": "v3"}, {"want": "V1"}):
            assert call(path.port, SHOP, headers)[0] == 404
        assert call(path.port, "unknown.example", {"want": "v1"})[0] == 404
        rejected = path.gateway.stats("update_rejected|update_failure|dynamic_unknown_fields")
        assert set(rejected.values()) == {0}


def test_clusters_that_nothing_leads_to_can_be_left_out():
    """Fewer files to watch; what routes lead to stays as it is, in both roles."""
    registry = registry_of(WALKTHROUGH, walkthrough_inventory())
    for proxy, kept in {
        "egress": {f"443|v1|{SHOP}", f"443|v2|{SHOP}"},
        "client": {"80||egress.istio-system.svc.cluster.local", f"443||{SHOP}"},
    }.items():
        whole = translate(registry, proxy, config_source="eds")
        lean = translate(registry, proxy, config_source="eds", only_reachable=True)
        assert {each.name.removeprefix("outbound|") for each in lean.clusters} == kept
        by_name = {each.name: each for each in whole.clusters}
        assert all(by_name[each.name] == each for each in lean.clusters)
        assert lean.file_watches < whole.file_watches


@pytest.mark.parametrize(("name", "status"), [("shop.partners", 404), ("10.233.36.124", 404)])
def test_names_that_only_the_sidecar_knows_end_at_the_gateway(tmp_path, name, status):
    """The sidecar passes short names and the cluster IP on; the gateway only knows the full name."""
    with running_path(tmp_path, "static") as path:
        assert call(path.port, name, {"want": "v1"})[0] == status
        assert path.gateway.stats("^http.outbound_0.0.0.0_80.downstream_rq_4xx") == {
            "http.outbound_0.0.0.0_80.downstream_rq_4xx": 1
        }


@pytest.mark.parametrize(("semantics", "status"), [("istio-1.0", 404), ("current", 502)])
def test_hosts_that_nothing_knows_end_at_the_sidecar(tmp_path, semantics, status):
    """By the answer of the era; the absolute form of a name is another name, and the gateway sees neither."""
    with running_path(tmp_path, "static", semantics) as path:
        for host in ("unknown.example", f"{SHOP}."):
            assert call(path.port, host, {"want": "v1"})[0] == status
        asked = path.gateway.stats("^http.outbound_0.0.0.0_80.downstream_rq_total")
        assert list(asked.values()) == [0]


@pytest.mark.parametrize(
    ("is_empty", "flag", "body"),
    [(False, "UF", "connect error"), (True, "UH", "no healthy upstream")],
    ids=["node down", "no endpoints"],
)
def test_a_subset_whose_nodes_are_gone_answers_503_and_the_log_says_why(tmp_path, is_empty, flag, body):
    """Refused connections and no endpoints at all are distinguished."""
    log = AccessLogOptions({"flags": "%RESPONSE_FLAGS%"}, file="requests.log")
    with running_path(tmp_path, "eds", access_log=log) as path:
        config = translate(registry_of(WALKTHROUGH, walkthrough_inventory()), "egress", config_source="eds")
        wanted = next(e for e in config.endpoints if e.cluster_name == f"outbound|443|v1|{SHOP}")
        if is_empty:
            wanted.endpoints = []
        with socket.create_server(("127.0.0.1", 0)) as closed:
            nobody = closed.getsockname()[:2]
        places = {("192.0.2.63", 443): nobody}
        file = render_endpoints(wanted, Placement(config_root="", log_root="", endpoints=places))
        target = path.gateway_root / file.path
        fresh = target.parent / ".new"
        fresh.write_text(file.text)
        fresh.rename(target)

        def refused() -> str | None:
            status, said = call(path.port, SHOP, {"want": "v1"})
            return said if status == 503 else None

        assert body in wait_until(refused)
        assert call(path.port, SHOP, {"want": "v2"})[0] == 200
    assert f'"flags":"{flag}"' in (tmp_path / "requests.log").read_text().replace(" ", "")


def test_certificates_rotate_by_one_rename(tmp_path):
    """A rename of the symlink switches certificate, key and trust at once, without a mismatch in between."""
    with running_path(tmp_path, "eds", max_requests_per_connection=1) as path:
        first = path.certificates
        before = call(path.port, SHOP, {"want": "v1"})[1]
        assert int(before.split()[1], 16) == first.serial("client")

        second = issue_certificates(first.folder.parent / "second", first.key)
        live = first.folder.parent / "live"
        (live.parent / "next").symlink_to("second")
        (live.parent / "next").rename(live)

        def moved() -> str | None:
            status, said = call(path.port, SHOP, {"want": "v1"})
            assert status == 200
            return said if said != before else None

        assert int(wait_until(moved).split()[1], 16) == second.serial("client")
        assert set(path.gateway.stats("key_rotation_failed").values()) == {0}


def test_each_request_shakes_hands_again_when_connections_serve_one_request(tmp_path):
    """The override reaches the clusters that originate TLS."""
    with running_path(tmp_path, "static", max_requests_per_connection=1) as path:
        for _ in range(5):
            assert call(path.port, SHOP, {"want": "v1"})[0] == 200
        stats = path.gateway.stats("v1.*ssl.handshake")
        assert list(stats.values()) == [5]


@pytest.mark.parametrize(("max_session_keys", "resumed"), [(None, 4), (0, 0)])
def test_sessions_are_resumed_unless_no_session_is_kept(tmp_path, max_session_keys, resumed):
    """What a handshake costs depends on it, so both must be possible."""
    options = {"max_requests_per_connection": 1, "max_session_keys": max_session_keys}
    with running_path(tmp_path, "static", **options) as path:
        for _ in range(5):
            assert call(path.port, SHOP, {"want": "v1"})[0] == 200
        assert list(path.gateway.stats("v1.*ssl.handshake").values()) == [5]
        assert list(path.gateway.stats("v1.*ssl.session_reused").values()) == [resumed]


def test_an_access_log_has_the_fields_asked_for(tmp_path):
    """Fields become keys of one JSON line for each request."""
    fields = {"status": "%RESPONSE_CODE%", "cluster": "%UPSTREAM_CLUSTER_RAW%", "want": "%REQ(WANT)%"}
    log = AccessLogOptions(fields, file="requests.log")
    with running_path(tmp_path, "static", access_log=log) as path:
        call(path.port, SHOP, {"want": "v2"})
    lines = (tmp_path / "requests.log").read_text()
    assert f'"outbound|443|v2|{SHOP}"' in lines
    assert '"status":200' in lines.replace(" ", "")


def test_an_endpoint_file_replaced_by_rename_moves_traffic_and_nothing_else(tmp_path):
    """Only the cluster whose file is replaced reads anything again."""
    with running_path(tmp_path, "eds") as path:
        config = translate(registry_of(WALKTHROUGH, walkthrough_inventory()), "egress", config_source="eds")
        wanted = next(e for e in config.endpoints if e.cluster_name == f"outbound|443|v1|{SHOP}")
        moved = {("192.0.2.63", 443): path.nodes["192.0.2.64", 443]}
        file = render_endpoints(wanted, Placement(config_root="", log_root="", endpoints=moved))
        target = path.gateway_root / file.path
        fresh = target.parent / ".new"
        fresh.write_text(file.text)
        attempts = path.gateway.stats("update_attempt")
        fresh.rename(target)

        wait_until(lambda: call(path.port, SHOP, {"want": "v1"})[1].startswith("v2 "))
        changed = {k for k, v in path.gateway.stats("update_attempt").items() if v != attempts[k]}
        assert changed == {f"cluster.outbound|443|v1|{SHOP}.update_attempt"}


def test_envoy_takes_as_many_inotify_instances_as_the_configuration_says(tmp_path):
    """Machines allow few of them, and Envoy aborts when they run out: the number must be known before."""
    registry = registry_of(WALKTHROUGH, walkthrough_inventory())
    config = translate(registry, "egress", config_source="eds")
    with running_path(tmp_path, "eds") as path:
        folder = Path(f"/proc/{path.gateway.process.pid}/fd")
        links = [str(each.readlink()) for each in folder.iterdir()]
        assert sum("inotify" in link for link in links) == config.file_watches


@pytest.mark.parametrize("proxy", ["client", "egress"])
@pytest.mark.parametrize("config_source", ["static", "eds"])
@pytest.mark.parametrize("semantics", ["istio-1.0", "current"])
def test_envoy_validates_every_bootstrap(envoy, tmp_path, proxy, config_source, semantics):
    """``envoy --mode validate`` accepts what is written, for each role, config source and semantics."""
    certificates = issue_certificates(tmp_path / "certs" / "live")
    registry = registry_of(WALKTHROUGH, walkthrough_inventory(semantics))
    config = translate(registry, proxy, config_source=config_source)
    placement = Placement(
        config_root=str(tmp_path / "x"), log_root=str(tmp_path), files=files_of(certificates.folder.parent)
    )
    bootstrap = write_files(render(config, placement, RenderOptions(node_id=proxy)), tmp_path / "x")

    done = subprocess.run(
        [envoy, "--mode", "validate", "-c", str(bootstrap), "--reject-unknown-dynamic-fields"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr

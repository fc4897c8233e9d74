"""One sample for each upstream connection, checked against Envoy's own counters and the nodes' logs."""

import dataclasses
import functools

import pytest

from bench.stack import nodes, proxies
from bench.stack.local import LocalStack
from bench.telemetry.access_log import parse_envoy, read_envoy_log, read_node_log, wait_until_flushed
from bench.telemetry.admin import Admin, total
from bench.telemetry.handshake import GATEWAY_FIELDS, collect_handshakes
from tests.stack.egress_path import CERTIFICATE_FILES, call, egress_spec, gateway_files
from tests.support.waiting import PATIENCE_S
from tests.telemetry.test_access_log import ENVOY_LINE

QUIET_S = max(proxies.FLUSH_INTERVAL_S, nodes.FLUSH_INTERVAL_S) * 1.5


def gateway(**options):
    return functools.partial(gateway_files, access_log=GATEWAY_FIELDS, **options)


def drive(spec, calls=4, before=None):
    """Send requests through a stack; return the gateway's entries, the nodes' entries and the counters."""
    with LocalStack(spec) as stack:
        if before is not None:
            before(stack)
        for number in range(calls):
            call(stack, "v1", request_id=f"run/{number}")
        log = stack.component("egress").access_log
        node_log = stack.component("nginx01").access_log
        wait_until_flushed([log, node_log], quiet_s=QUIET_S)
        with Admin(stack.component("egress").admin_url) as admin:
            values = admin.stats(r"ssl\.|upstream_cx_total")
        gateway_log, nodes = read_envoy_log(log), read_node_log(node_log)
        entries, node_entries = list(gateway_log), list(nodes)
    assert (gateway_log.foreign, gateway_log.torn, nodes.foreign, nodes.torn) == (0, None, 0, None)
    return entries, node_entries, values


@pytest.mark.envoy
@pytest.mark.nginx
def test_a_kept_connection_is_one_sample_however_many_requests_it_carries(material):
    entries, nodes, values = drive(egress_spec(material.live, gateway=gateway()))

    found = collect_handshakes(entries)

    (sample,) = found.samples
    assert (sample.requests, total(values, "ssl.handshake"), len(entries)) == (4, 1, 4)
    assert 0 < sample.connect_us < sample.handshake_us < 1_000_000
    assert found.tls_versions == {"TLSv1.3": 1}
    assert list(found.ciphers) == [nodes[0].cipher]
    assert sample.peer_subject == material.server.subject
    assert (found.contradictions, found.without_tls, found.unconnected) == (0, 0, 0)
    assert [entry.id for entry in entries] == [entry.id for entry in nodes] == [f"run/{n}" for n in range(4)]


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_connection_for_each_request_agrees_with_envoys_counters_and_the_node(material, version):
    spec = egress_spec(material.live, gateway=gateway(one_shot=True, tls=(version, version)))
    entries, nodes, values = drive(spec)

    found = collect_handshakes(entries)

    assert len(found.samples) == total(values, "ssl.handshake") == total(values, "upstream_cx_total") == 4
    assert found.tls_versions == {version.replace("_", "."): 4}
    # The gateway resumes from its second connection on; only counters and the node show it.
    assert sum(entry.session_reused for entry in nodes) == total(values, "ssl.session_reused") == 3
    assert {(entry.client_subject, entry.client_serial) for entry in nodes} == {
        (material.client.subject, material.client.serial)
    }


@pytest.mark.envoy
@pytest.mark.nginx
def test_a_refused_connect_is_not_a_sample(material):
    def kill(stack):
        stack._processes["nginx01"].terminate()
        assert stack._processes["nginx01"].wait(PATIENCE_S)

    entries, _, values = drive(egress_spec(material.live, gateway=gateway()), calls=2, before=kill)

    found = collect_handshakes(entries)
    assert (len(found.samples), found.unconnected) == (0, 2)
    assert {entry.flags for entry in entries} == {("UF",)}
    assert "Connection refused" in entries[0].failure.replace("_", " ")
    assert total(values, "ssl.handshake") == 0


@pytest.mark.envoy
@pytest.mark.nginx
@pytest.mark.parametrize("kind", ["other-ca", "expired", "not-yet-valid", "wrong-san"])
def test_a_node_that_the_gateway_must_not_trust_gets_no_request_and_the_reason_is_reported(material, kind):
    """BoringSSL's verdict on each deliberately wrong certificate."""
    reasons = {
        "other-ca": "unable to get local issuer certificate",
        "expired": "certificate has expired",
        "not-yet-valid": "certificate is not yet valid",
        "wrong-san": "SAN matcher",
    }
    right = {written: material.live / real for written, real in CERTIFICATE_FILES.items()}
    spec = dataclasses.replace(egress_spec(material.wrong(kind), gateway=gateway()), files=right)
    entries, nodes, values = drive(spec, calls=1)

    found = collect_handshakes(entries)

    assert (len(found.samples), nodes, total(values, "ssl.handshake")) == (0, [], 0)
    assert entries[0].status == 503
    assert reasons[kind] in entries[0].failure.replace("_", " ")


def entry(connection, handshake, connect=10):
    return parse_envoy(
        ENVOY_LINE | {"upstream_connection": connection, "handshake": handshake, "connect": connect}
    )


def test_two_envoys_in_one_log_are_noticed():
    found = collect_handshakes([entry(4, 100), entry(4, 100), entry(4, 300)])

    assert (len(found.samples), found.contradictions) == (1, 1)


def test_plaintext_where_tls_was_expected_is_counted_apart():
    found = collect_handshakes([entry(4, None), entry(4, None), entry(0, None, None), entry(5, 90)])

    assert (found.without_tls, found.unconnected, found.handshake_us, found.connect_us) == (1, 1, [90], [10])
    assert (found.tls_versions, found.ciphers) == ({"unknown": 1}, {"unknown": 1})

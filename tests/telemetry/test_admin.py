"""Envoy's admin API: what it says is read exactly, and its silence is an error that helps."""

import http.server
import os
import signal
import threading

import pytest

from bench.errors import MeasurementError, StackError
from bench.placement import ConfigFile
from bench.stack.local import LocalStack
from bench.telemetry.admin import Admin, Snapshot, difference, total
from tests.stack.egress_path import HOST, call, eds_file, egress_spec, gateway_files
from tests.support.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def stack(material):
    with LocalStack(egress_spec(material.live, gateway=lambda at: gateway_files(at, eds=True))) as running:
        yield running


@pytest.fixture
def admin(stack):
    with Admin(stack.component("egress").admin_url, name="egress") as client:
        yield client


@pytest.mark.envoy
@pytest.mark.nginx
def test_counters_rise_by_exactly_what_was_sent(stack, admin):
    pattern = rf"^cluster\.outbound\|443\|v1\|{HOST.replace('.', '_')}\.upstream_rq_total$"
    before = admin.snapshot(pattern)
    for _ in range(7):
        call(stack, "v1")
    for _ in range(3):
        call(stack, "v2")

    rises = difference(before, admin.snapshot(pattern))

    assert list(rises.values()) == [7]


@pytest.mark.envoy
@pytest.mark.nginx
def test_handshakes_are_summed_over_clusters(stack, admin):
    call(stack, "v1")
    call(stack, "v2")

    values = admin.stats(r"ssl\.handshake$")

    assert len(values) == 2
    assert total(values, "ssl.handshake") >= 2
    assert total(values, "handshake") == total(values, "ssl.handshake")
    assert total(values, "shake") == 0


@pytest.mark.envoy
@pytest.mark.nginx
def test_it_reports_version_state_listeners_and_memory(stack, admin):
    info = admin.server_info()

    assert info.version == info.build.split("/")[1]
    assert info.version.count(".") == 2
    assert (info.state, info.concurrency) == ("LIVE", 1)
    assert admin.listeners() == {"0.0.0.0_80": stack.component("egress").addresses["0.0.0.0", 80]}
    assert 1 << 20 < admin.memory().allocated <= admin.memory().heap_size


def refused(admin):
    counters = admin.stats(r"update_(rejected|failure)$", used_only=True)
    return {name: count for name, count in counters.items() if count}


@pytest.mark.envoy
@pytest.mark.nginx
def test_a_refused_update_is_seen_in_its_counter_and_the_version_stays(stack, admin):
    assert not refused(admin)
    versions = admin.texts(r"\|v1\|.*version_text")
    good = eds_file(stack.placement("egress"), "v1")

    stack.write_config("egress", [ConfigFile(good.path, good.text.replace("127.0.0.1", "nowhere"))])
    for _ in range(200):
        if refused(admin):
            break

    assert list(refused(admin).values()) == [1]
    assert "update_rejected" in next(iter(refused(admin)))
    assert list(versions.values()) == ["1"]
    assert admin.texts(r"\|v1\|.*version_text") == versions


@pytest.mark.envoy
@pytest.mark.nginx
def test_a_dead_envoy_is_named(material):
    with (
        LocalStack(egress_spec(material.live)) as stack,
        Admin(stack.component("egress").admin_url, name="egress") as admin,
    ):
        os.kill(stack.component("egress").pid, signal.SIGKILL)
        stack._processes["egress"].wait(PATIENCE_S)

        with pytest.raises(StackError, match="egress does not answer on its admin API"):
            admin.stats()


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def stand_in():
    """An admin API that answers what it is given."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Admin(f"http://127.0.0.1:{server.server_port}", name="egress") as admin:
            yield server, admin
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("answer", [(503, b"starting"), (200, b"<html>"), (200, b"[]"), (200, b"{}")])
def test_an_answer_of_another_form_is_not_a_measurement(stand_in, answer):
    server, admin = stand_in
    server.answer = answer

    with pytest.raises(MeasurementError, match="egress"):
        admin.server_info()


def test_histograms_and_texts_are_no_counters(stand_in):
    server, admin = stand_in
    server.answer = (
        200,
        b'a.b: 5\nodd: name.c: 6\nh: P0(nan,1.0) P25(nan,1.1)\nv: "7"\nempty: \nh2: No recorded values\n',
    )

    assert admin.stats() == {"a.b": 5, "odd: name.c": 6}
    assert admin.texts() == {"v": "7"}


def snapshot(at, uptime, **values):
    return Snapshot("egress", values, float(at), uptime)


def test_a_restart_between_two_readings_is_noticed_even_if_counters_have_grown_past():
    with pytest.raises(MeasurementError, match="restarted"):
        difference(snapshot(100, 50, rq=10), snapshot(200, 60, rq=900))

    assert difference(snapshot(100, 50, rq=10), snapshot(200, 149, rq=900, new=4)) == {"rq": 890, "new": 4}


def test_a_counter_that_fell_or_vanished_is_not_a_difference():
    with pytest.raises(MeasurementError, match="rq fell by 3"):
        difference(snapshot(1, 1, rq=10), snapshot(2, 2, rq=7))
    with pytest.raises(MeasurementError, match="rq vanished"):
        difference(snapshot(1, 1, rq=10), snapshot(2, 2))

"""Logs are read exactly, and what is not an entry is counted and named."""

import json
import os

import pytest

from bench.errors import MeasurementError
from bench.stack import nodes
from bench.telemetry.access_log import (
    REQUEST_FIELDS,
    LinesSince,
    LogMark,
    parse_envoy,
    read_envoy_log,
    read_node_log,
    wait_until_flushed,
)
from bench.telemetry.handshake import GATEWAY_FIELDS

NODE_LINE = {
    "time": "1795500356.909",
    "node": "nginx01",
    "id": "run/1",
    "status": "200",
    "method": "GET",
    "host": "example",
    "uri": "/",
    "bytes": "625",
    "request_time": "0.012",
    "connection": "2",
    "connection_requests": "1",
    "client_verify": "SUCCESS",
    "client_subject": "CN=egressgateway,O=egress-bench",
    "client_serial": "193D",
    "tls_version": "TLSv1.3",
    "cipher": "TLS_AES_128_GCM_SHA256",
    "server_name": "example",
    "session_reused": "r",
    "worker": "4711",
}
ENVOY_LINE = dict.fromkeys(GATEWAY_FIELDS) | {
    "time": "1795500820789131",
    "status": 200,
    "flags": "-",
    "attempts": 1,
    "bytes": 625,
    "duration": 3033,
    "connection": 3,
    "upstream_connection": 4,
    "connect": 15,
    "handshake": 2155,
}


def test_a_nodes_line_is_read_to_the_microsecond(tmp_path):
    log = tmp_path / "access.log"
    log.write_text(json.dumps(NODE_LINE) + "\n")

    (entry,) = read_node_log(log)

    assert entry.time_us == 1795500356909000
    assert entry.request_time_us == 12000
    assert (entry.node, entry.id, entry.status, entry.session_reused) == ("nginx01", "run/1", 200, True)
    assert entry.worker == 4711


def test_a_node_writes_exactly_what_its_reader_needs():
    assert set(nodes.ACCESS_LOG_FIELDS) == set(NODE_LINE)


def test_an_envoy_line_without_upstream_keeps_unknown_as_unknown():
    entry = parse_envoy(
        ENVOY_LINE | {"flags": "NR,DC", "upstream_connection": 0, "status": 0, "connect": None}
    )

    assert entry.flags == ("NR", "DC")
    assert entry.upstream_connection is None
    assert entry.connect_us is None
    assert entry.cluster is None
    assert entry.time_us == 1795500820789131
    assert parse_envoy(ENVOY_LINE).flags == ()


def test_a_sidecars_line_has_no_handshake():
    entry = parse_envoy({name: ENVOY_LINE[name] for name in REQUEST_FIELDS})

    assert entry.handshake_us is None
    assert entry.tls_version is None


def test_a_torn_last_line_is_kept_apart_and_foreign_lines_are_counted_and_shown(tmp_path):
    log = tmp_path / "access.log"
    whole = json.dumps(ENVOY_LINE)
    foreign = ["garbage", "[]", "{}", '"text"', json.dumps(ENVOY_LINE | {"time": "soon"})]
    log.write_text("\n".join([whole, *foreign, whole, whole[:40]]))

    reader = read_envoy_log(log)

    assert len(list(reader)) == 2
    assert reader.entries == 2
    assert reader.foreign == len(foreign)
    assert reader.first_foreign == f"{log}:2: garbage"
    assert reader.torn == whole[:40]


def test_a_reader_can_go_over_its_log_again(tmp_path):
    log = tmp_path / "access.log"
    log.write_text("garbage\n" + json.dumps(NODE_LINE) + "\n")
    reader = read_node_log(log)

    for _ in range(2):
        assert len(list(reader)) == 1
        assert reader.foreign == 1


def test_reading_can_begin_where_a_stage_began_and_a_shorter_file_is_not_a_log(tmp_path):
    log = tmp_path / "access.log"
    line = json.dumps(NODE_LINE) + "\n"
    log.write_text(line * 3)

    assert len(list(read_node_log(log, offset=2 * len(line)))) == 1
    with pytest.raises(MeasurementError, match="truncated or rotated"):
        list(read_node_log(log, offset=4 * len(line)))
    log.unlink()
    with pytest.raises(MeasurementError, match="truncated or rotated"):
        list(read_node_log(log, offset=1))
    assert list(read_node_log(log)) == []


def test_waiting_for_a_log_that_never_rests_ends_in_an_error(tmp_path):
    log = tmp_path / "access.log"
    wait_until_flushed([log], quiet_s=0.05)

    class Restless(type(log)):
        def stat(self, **kwargs):
            with log.open("a") as file:
                file.write("x")
            return super().stat(**kwargs)

    with pytest.raises(MeasurementError, match="still grow"):
        wait_until_flushed([Restless(log)], quiet_s=0.1, timeout_s=0.3)


def test_a_mark_counts_what_came_after_it_also_across_pieces(tmp_path):
    log = tmp_path / "access.log"
    log.write_text('{"id":"r/1"}\n')
    mark = LogMark.at_end(log)
    with log.open("a") as out:
        out.write('{"id":"r/2"}\n{"id":"other/3"}\n{"id":"r/4"}\n')

    assert b"".join(mark.chunks(size=5)) == log.read_bytes()[13:]
    assert mark.count_since(b'"id":"r/') == LinesSince(lines=3, marked=2, is_torn=False)
    assert mark.bytes_since() == log.stat().st_size - 13


def test_a_last_line_without_an_end_is_reported_and_not_counted(tmp_path):
    log = tmp_path / "access.log"
    mark = LogMark.at_end(log)
    log.write_text('{"id":"r/1"}\n{"id":"r/2')

    assert mark.count_since(b'"id":"r/') == LinesSince(lines=1, marked=1, is_torn=True)


@pytest.mark.parametrize("what", ["truncated", "rotated", "taken away"])
def test_a_log_that_is_not_what_it_was_is_never_counted(tmp_path, what):
    log = tmp_path / "access.log"
    log.write_text('{"id":"r/1"}\n' * 3)
    mark = LogMark.at_end(log)
    if what == "truncated":
        os.truncate(log, 5)
    elif what == "rotated":
        log.rename(tmp_path / "access.log.1")
        log.write_text('{"id":"r/1"}\n' * 9)
    else:
        log.unlink()

    with pytest.raises(MeasurementError, match=what):
        mark.count_since(b"r/")


def test_a_log_that_nothing_has_written_yet_is_empty(tmp_path):
    mark = LogMark.at_end(tmp_path / "none.log")

    assert mark.count_since(b"r/") == LinesSince(lines=0, marked=0, is_torn=False)


def test_what_a_client_sent_cannot_steer_a_terminal_that_shows_it():
    entry = parse_envoy({**ENVOY_LINE, "path": "/\u001b[2J\u202ex", "host": "a\u0007b"})

    assert (entry.path, entry.host) == ("/x", "ab")

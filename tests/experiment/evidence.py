"""Evidence of a load in which all is well, to be changed by tests of what the rules conclude."""

from dataclasses import replace

from bench.experiment.faults.evidence import Evidence
from bench.measure.topology import Topology
from bench.result import Book, LedgerBook, LedgerResult
from bench.telemetry.access_log import parse_envoy, parse_node


def book(state="balanced", unexplained=0):
    return LedgerBook(
        level="full",
        book=Book.GATEWAY_TO_NODES,
        left=2,
        right=2,
        unexplained=unexplained,
        state=state,
    )


def gateway_line(ident, cluster, *, at=0, status=200, flags="-", duration=900, **given):
    fields = dict.fromkeys(
        ("want", "host", "method", "path", "route", "upstream", "connect", "handshake", "failure", "details"),
        None,
    )
    return parse_envoy(
        {
            **fields,
            "time": str(at),
            "id": ident,
            "status": status,
            "flags": flags,
            "cluster": cluster,
            "attempts": 1,
            "bytes": 10,
            "duration": duration,
            "connection": 1,
            "upstream_connection": 1,
            **given,
        }
    )


def node_line(ident, node, *, at=0, status=200, verify="SUCCESS"):
    texts = dict.fromkeys(
        ("method", "host", "uri", "client_subject", "client_serial", "tls_version", "cipher", "server_name"),
        "",
    )
    return parse_node(
        {
            **texts,
            "time": f"{at / 1e6:.3f}",
            "node": node,
            "id": ident,
            "status": str(status),
            "bytes": "10",
            "request_time": "0.000",
            "connection": "1",
            "connection_requests": "1",
            "client_verify": verify,
            "session_reused": ".",
        }
    )


SIZE = 400
CLUSTERS = {"c1": ("n1",), "c2": ("n2",)}


def clean(**changes):
    """Four hundred requests in two seconds, by turns to two nodes, all well."""
    ids = [f"r/{number}" for number in range(SIZE)]
    times = [number * 5_000 for number in range(SIZE)]
    evidence = Evidence(
        topology=Topology("s", "g", ("x",), ("c1", "c2"), ("x",), CLUSTERS),
        reasons={},
        bodies={},
        sidecar=tuple(gateway_line(i, "x", at=t) for i, t in zip(ids, times, strict=True)),
        gateway=tuple(gateway_line(i, f"c{n % 2 + 1}", at=times[n]) for n, i in enumerate(ids)),
        nodes={
            f"n{which + 1}": tuple(
                node_line(i, f"n{which + 1}", at=times[n] + 1_000)
                for n, i in enumerate(ids)
                if n % 2 == which
            )
            for which in (0, 1)
        },
        wanted={i: (f"n{n % 2 + 1}",) for n, i in enumerate(ids)},
        pages={"n1": "<h1>v1!</h1>", "n2": "<h1>v2!</h1>"},
        died={},
        restarted=frozenset(),
        ledger=LedgerResult(level="full", books=(book(),), requests=SIZE),
        ended_by={},
    )
    return replace(evidence, **changes)


def later(entries, *, since, by):
    """The same entries, those from *since* on later *by* this many microseconds."""
    return tuple(
        entry._replace(time_us=entry.time_us + by) if entry.time_us >= since else entry for entry in entries
    )


def seldom(evidence, *, times=4):
    """The same requests, so many times as far apart."""

    def apart(entries):
        return tuple(entry._replace(time_us=entry.time_us * times) for entry in entries)

    return replace(
        evidence,
        sidecar=apart(evidence.sidecar),
        gateway=apart(evidence.gateway),
        nodes={node: apart(entries) for node, entries in evidence.nodes.items()},
    )

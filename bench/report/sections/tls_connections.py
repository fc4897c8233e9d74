"""The TLS handshake lab: sessions, pools and their law, storms, refusals, and the first hop."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analysis.tls import REUSE_POINTS
from bench.report.document import Chart, Note, Section, Table
from bench.report.sections.tls_lab import estimate
from bench.report.text import UNKNOWN, micros, rate, seconds, share
from bench.report.tls_charts import law_line
from bench.result import MeshCost, TlsLab
from bench.units import format_count

_SESSIONS_LEAD = (
    "Envoy keeps one queue of sessions for each cluster, shared by its hosts: a connection is offered the"
    " youngest. The prediction follows that queue for the nodes that connections went to; it knows nothing"
    " of the handshakes' outcome."
)
_POOLS_LEAD = (
    "A connection ends after its last allowed request, or when none comes for the idle timeout. The law"
    " has no"
    " constant that could be fitted."
)


def connections(lab: TlsLab) -> Iterator[Section]:
    """A section for each part that was measured."""
    if lab.reuse or lab.reuse_events:
        yield Section("tls-sessions", "Sessions", (_reuse(lab), _events(lab)), _SESSIONS_LEAD)
    if lab.pools:
        chart = law_line(lab.pools)
        drawn = (Chart("tls-law", "Each point is a mix; the line is the law.", chart),) if chart else ()
        yield Section("tls-pools", "Pools", (*drawn, _pools(lab)), _POOLS_LEAD)
    if lab.storms:
        yield Section("tls-storms", "Handshake storms", (_storms(lab),), _STORMS_LEAD)
    if lab.refusals:
        yield Section("tls-refusals", "What cannot shake hands", (_refusals(lab),), _REFUSALS_LEAD)
    if lab.mesh is not None:
        yield Section("tls-mesh", "Mutual TLS on the first hop", (_mesh(lab.mesh), _mesh_note(lab.mesh)))


def _reuse(lab: TlsLab) -> Table:
    return Table(
        columns=(
            "clusters",
            "nodes",
            "balancing",
            "sessions by",
            "ticket keys",
            "TLS",
            "max_session_keys",
            "handshakes",
            "resumed",
            "predicted",
            "gateway CPU",
            "p99",
        ),
        rows=tuple(
            (
                each.clusters,
                str(each.nodes),
                each.balancing,
                each.session_by,
                "shared" if each.shared_keys else "own",
                each.tls_version.removeprefix("TLSv"),
                str(each.max_session_keys),
                format_count(each.handshakes),
                share(each.measured),
                share(each.predicted),
                micros(each.gateway_cpu_us),
                micros(each.p99_us),
            )
            for each in lab.reuse
        ),
        numbers_from=6,
        marks=tuple(
            "good" if each.points_off is not None and each.points_off <= REUSE_POINTS else "bad"
            for each in lab.reuse
        ),
        mark_column=9,
        caption="A new connection for each request. CPU of the gateway in microseconds for each request;"
        " p99 of"
        " the gateway in microseconds, where there are a thousand samples.",
    )


def _events(lab: TlsLab) -> Table:
    return Table(
        columns=("after", "ticket keys", "handshakes", "full", "predicted"),
        rows=tuple(
            (
                each.event,
                "shared" if each.shared_keys else "own",
                format_count(each.handshakes),
                str(each.full),
                str(each.predicted_full),
            )
            for each in lab.reuse_events
        ),
        numbers_from=2,
        marks=tuple("good" if each.full == each.predicted_full else "bad" for each in lab.reuse_events),
        mark_column=4,
        caption="Full handshakes that an event costs a gateway that resumes everything else; a cluster"
        " for each"
        " of two nodes.",
    )


def _pools(lab: TlsLab) -> Table:
    return Table(
        columns=(
            "requests/s",
            "workers",
            "nodes",
            "protocol",
            "requests per connection",
            "idle timeout",
            "connections",
            "per 1,000 requests",
            "handshakes/s",
            "predicted",
            "off by",
        ),
        rows=tuple(
            (
                rate(each.rate),
                str(each.workers),
                str(each.nodes),
                "HTTP/2" if each.http2 else "HTTP/1.1",
                str(each.requests_per_connection or "unlimited"),
                seconds(each.idle_timeout_s),
                format_count(each.connections),
                f"{each.per_thousand:.3g}" if each.per_thousand is not None else UNKNOWN,
                f"{each.handshakes_per_s:.3g}",
                f"{each.predicted_per_s:.3g}",
                share(each.error),
            )
            for each in lab.pools
        ),
        numbers_from=0,
    )


_STORMS_LEAD = (
    "All connections are new at once, under load. Times and queue are those of the client's sidecar, which"
    " sees the whole path. A tenth of a second is disturbed where a request failed or more of them took one"
    " and a half times the p99 before than chance explains; p99 is back with the last such tenth before a"
    " whole second without one. The slower rotation reloads one node after the other."
)


def _storms(lab: TlsLab) -> Table:
    return Table(
        columns=(
            "storm",
            "requests/s",
            "failed",
            "handshakes",
            "p99 before",
            "p99 worst",
            "p99 back after",
            "deepest queue",
        ),
        rows=tuple(
            (
                each.event,
                rate(each.rate),
                format_count(each.failed),
                format_count(each.handshakes),
                micros(each.p99_before_us),
                micros(each.p99_worst_us),
                seconds(each.recovered_s) if each.recovered_s is not None else "not within the run",
                format_count(each.deepest_queue),
            )
            for each in lab.storms
        ),
        caption="Microseconds. Handshakes of a gateway that was restarted are unknown: its counters went"
        " with it.",
    )


_REFUSALS_LEAD = (
    "Paths that are wrong on purpose. Reasons are read from the numbers of BoringSSL's errors and from"
    " statuses,"
    " never from words; every request that was due has exactly one end."
)


def _refusals(lab: TlsLab) -> Table:
    return Table(
        columns=("case", "expected", "found", "due", "answered", "failed", "unsent", "named"),
        rows=tuple(
            (
                each.case,
                each.expected,
                ", ".join(f"{name} ({count:,})" for name, count in each.causes.items()) or "no failure",
                format_count(each.requests),
                format_count(each.answered),
                format_count(each.failed),
                format_count(each.unsent),
                "✓" if each.named else "✗",
            )
            for each in lab.refusals
        ),
        numbers_from=3,
        marks=tuple("good" if each.named else "bad" for each in lab.refusals),
        mark_column=7,
    )


def _mesh(cost: MeshCost) -> Table:
    return Table(
        columns=("part", "plain text", "ISTIO_MUTUAL", "adds"),
        rows=(
            (
                "sidecar",
                micros(cost.sidecar_plain_us),
                micros(cost.sidecar_mutual_us),
                estimate(cost.sidecar_adds_us),
            ),
            (
                "gateway",
                micros(cost.gateway_plain_us),
                micros(cost.gateway_mutual_us),
                estimate(cost.gateway_adds_us),
            ),
        ),
        caption="CPU in microseconds for each request on kept connections; the difference is the mean of"
        " the pairs.",
    )


def _mesh_note(cost: MeshCost) -> Note:
    return Note(
        f"{cost.pairs} pairs of windows in turns within one load. Any experiment takes `--mesh-mtls`."
    )

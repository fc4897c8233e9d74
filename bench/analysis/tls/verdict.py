"""What is to be said against the figures of the lab, and what it all comes to."""

from __future__ import annotations

from collections.abc import Iterator

from bench.result import RunWarning, TlsCell, TlsLab

REUSE_POINTS = 3.0
"""Percentage points that measured reuse may lie off the prediction."""
LAW_ERROR = 0.05
HALF_WIDTH = 0.03
_TOO_WIDE = 0.25
"""Half-width as a share of the value above which it is not a figure to size by."""


def lab_findings(lab: TlsLab) -> list[RunWarning]:
    """Every cell below its oracle, or with clocks that disagree; every prediction that is off."""
    return [
        *(finding for cell in lab.cells for finding in _of_cell(cell)),
        *_of_sessions(lab),
        *_of_pools(lab),
        *(
            RunWarning(
                code="refusal-not-named",
                message=f"{each.case}: expected {each.expected}; found"
                f" {', '.join(each.causes) or 'no failure at all'},"
                f" {each.answered + each.failed + each.unsent} of {each.requests} requests accounted for.",
                advice="Read the gateway's log of that stack.",
            )
            for each in lab.refusals
            if not each.named
        ),
    ]


def _of_cell(cell: TlsCell) -> Iterator[RunWarning]:
    if cell.fault is not None:
        yield RunWarning(
            code="cell-failed", message=f"{cell.name}: {cell.fault}", advice="It has no figures."
        )
    if cell.refusal is not None:
        yield RunWarning(
            code="cell-refused",
            message=f"{cell.name}: no handshake came about, {cell.refusal}.",
            advice="Requests fail with such certificates: take another key or version, or let the gateway"
            " offer what the node's key needs, under TLS 1.2 its curve.",
        )
    for line in cell.oracle:
        if line.below:
            yield RunWarning(
                code="below-oracle",
                message=f"{cell.name}: {line.measured.value:,.0f} µs of CPU at the {line.end}, less than"
                f" the {line.floor_us:,.0f} µs that its signatures alone take by openssl speed. The"
                " measurement is in error.",
                advice="Do not use this cell; measure again on a quiet machine.",
            )
    for end, found in (("gateway", cell.gateway_cpu_us), ("node", cell.node_cpu_us)):
        if found is not None and (found.half_width is None or found.half_width > _TOO_WIDE):
            yield RunWarning(
                code="interval-wide",
                message=f"{cell.name}: CPU at the {end} is {found.low:,.0f} to {found.high:,.0f} µs, an"
                f" interval"
                " too wide for a figure.",
                advice="Measure with more rounds, on a machine that is not busy.",
            )
    if cell.clocks_agree is False:
        text = ", ".join(f"{each.clock} {each.low:,.0f} to {each.high:,.0f} µs" for each in cell.clocks)
        yield RunWarning(
            code="clocks-disagree",
            message=f"{cell.name}: the clocks do not agree: {text}.",
            advice="Times of a busy machine hold waiting that CPU time does not: free it and measure again.",
        )
    if cell.fault is None and cell.of_other_kind > max(1, cell.connections * 0.02):
        yield RunWarning(
            code="handshake-counts",
            message=f"{cell.name}: {cell.of_other_kind:,} handshakes of the measured windows are of the other"
            f" kind, beside {cell.connections:,}.",
            advice="The regression distinguishes the kinds; the times hold those of both.",
        )


def _of_sessions(lab: TlsLab) -> Iterator[RunWarning]:
    for point in lab.reuse:
        if point.points_off is not None and point.points_off > REUSE_POINTS:
            yield RunWarning(
                code="reuse-not-predicted",
                message=f"max_session_keys {point.max_session_keys}, {point.nodes} nodes,"
                f" {point.clusters}: {point.measured:.1%} of the handshakes resumed a session, predicted"
                f" {point.predicted:.1%}.",
                advice="Connections that overlap find no session: lower the rate, or keep more sessions.",
            )
    for event in lab.reuse_events:
        if event.full != event.predicted_full:
            yield RunWarning(
                code="reuse-not-predicted",
                message=f"{event.event}: {event.full} full handshakes after it, predicted"
                f" {event.predicted_full}.",
                advice="See the connections section of this result.",
            )


def _of_pools(lab: TlsLab) -> Iterator[RunWarning]:
    for point in lab.pools:
        if point.error is None or abs(point.error) > LAW_ERROR:
            yield RunWarning(
                code="law-off",
                message=f"{point.rate:g} requests/s, {point.requests_per_connection or 'unlimited'} requests"
                f" per connection: {point.handshakes_per_s:.3g} handshakes/s, predicted"
                f" {point.predicted_per_s:.3g}.",
                advice="Errors of requests, or a limit of a node, end connections, too.",
            )


def judge_lab(lab: TlsLab) -> tuple[bool, str]:
    """Whether nothing is wrong with the figures, and the lab in one sentence."""
    below = sum(line.below for cell in lab.cells for line in cell.oracle)
    parts = [*_cells_in_words(lab, below), *_connections_in_words(lab)]
    sentence = "; ".join(parts) or "nothing was measured"
    fine = (
        not below
        and not lab.misrouted
        and all(each.named for each in lab.refusals)
        and all(cell.fault is None for cell in lab.cells)
    )
    return fine, f"{sentence[0].upper()}{sentence[1:]}."


def _cells_in_words(lab: TlsLab, below: int) -> Iterator[str]:
    refused = sum(cell.refusal is not None for cell in lab.cells)
    good = [cell for cell in lab.cells if cell.fault is None and cell.refusal is None]
    clocks = [cell for cell in good if cell.clocks_agree is not None]
    if lab.cells:
        failed = f" ({refused} cannot shake hands)" if refused else ""
        yield f"{len(good)} of {len(lab.cells)} cells measured{failed}, {below or 'none'} below the oracle"
    if clocks:
        agree = sum(bool(cell.clocks_agree) for cell in clocks)
        yield f"clocks agree in {agree} of {len(clocks)}"


def _connections_in_words(lab: TlsLab) -> Iterator[str]:
    if lab.reuse:
        near = sum((point.points_off or 0.0) <= REUSE_POINTS for point in lab.reuse)
        yield f"reuse as predicted in {near} of {len(lab.reuse)} settings"
    if lab.pools:
        near = sum(point.error is not None and abs(point.error) <= LAW_ERROR for point in lab.pools)
        yield f"the law holds in {near} of {len(lab.pools)} mixes"
    if lab.storms:
        back = sum(each.recovered_s is not None for each in lab.storms)
        yield f"p99 back after {back} of {len(lab.storms)} storms"
    if lab.refusals:
        yield f"{sum(each.named for each in lab.refusals)} of {len(lab.refusals)} refusals named"
    if lab.mesh is not None and lab.mesh.gateway_adds_us is not None:
        yield "mutual TLS on the first hop priced"

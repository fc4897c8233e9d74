"""Why a call was answered as it was: by which hop, in Envoy's own words, and the line of YAML behind it.

The calls that went wrong are made once more, each with an id, on a stack whose proxies log every request.
What ``explain`` says of the same request shows whose fault it is: if the translation leads to the answer that
came, the resources say so; if it leads elsewhere, the stack did not do what it was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.errors import Position
from bench.explain import Cause, Ending, Hop, Origin, Trace
from bench.placement import Address, same_endpoint
from bench.result import AnswerCause, VerificationLine
from bench.stack import Component
from bench.telemetry import EnvoyEntry, NodeEntry, read_envoy_log, read_node_log
from bench.verify.calls import Answer

_POLICY = "policy"
"""The part of a DestinationRule in a step: what says how to speak TLS."""
VIA_UPSTREAM = "via_upstream"
"""Envoy's response code detail of an answer that came from beyond."""


@dataclass(frozen=True, slots=True)
class Hops:
    """What the parts of a stack logged, by request id."""

    proxies: Mapping[str, Mapping[str, EnvoyEntry]]
    """Proxy -> id -> entry; the proxies in the order in which a request meets them."""
    nodes: Mapping[str, NodeEntry]
    """Id -> the entry of the node that had the request."""
    demanding: frozenset[str] = frozenset()
    """Nodes that demand a client's certificate."""


def read_hops(components: Sequence[Component], client: str) -> Hops:
    """Read the access logs of all parts; a part without one has logged nothing."""
    envoys = [part for part in components if part.kind == "envoy" and part.access_log is not None]
    envoys.sort(key=lambda part: part.name != client)
    return Hops(
        proxies={
            part.name: {entry.id: entry for entry in read_envoy_log(part.access_log) if entry.id is not None}
            for part in envoys
            if part.access_log is not None
        },
        nodes={
            entry.id: entry
            for part in components
            if part.role == "node" and part.access_log is not None
            for entry in read_node_log(part.access_log)
            if entry.id is not None
        },
        demanding=frozenset(part.name for part in components if part.role == "node" and part.tls == "mutual"),
    )


def cause_of(
    answer: Answer,
    request_id: str,
    hops: Hops,
    trace: Trace,
    *,
    plays: Mapping[Address, str],
    right_nodes: Collection[str] = (),
) -> AnswerCause:
    """Say who gave a wrong *answer* to the request with this id, why, and which line of YAML is behind it.

    Args:
        answer: what came.
        request_id: of the request, in the logs.
        hops: the logs.
        trace: where the translated resources lead the request.
        plays: endpoint of the Istio resources -> the node that plays it.
        right_nodes: those that should have answered.
    """
    seen = [(name, entries[request_id]) for name, entries in hops.proxies.items() if request_id in entries]
    node = hops.nodes.get(request_id)
    # The last proxy that gave the answer itself, or whose connection failed; behind it is only a node.
    own = next(((name, each) for name, each in seen if each.details != VIA_UPSTREAM), None)
    last = own or (seen[-1] if seen else None)
    endings = tuple(trace.endings())
    unplayed = _unplayed(endings, plays)
    certificate = _client_certificate(node, hops)
    return AnswerCause(
        hop=own[0] if own else node.node if node is not None else last[0] if last else "",
        flags=",".join(last[1].flags) if last else "",
        details=(last[1].details or "") if last else "",
        transport_failure=((last[1].failure or "") if last else "") or _said_of_client(node, certificate),
        upstream=(last[1].upstream or "") if last else "",
        # A host that no resource knows has no line; that of the listener is about others.
        where=()
        if all(each.outcome.cause is Cause.UNKNOWN_HOST for each in endings)
        else tuple(map(_place, _origins(trace, last[0] if last else None, certificate))),
        fault="node"
        if answer.node in right_nodes
        else "resources"
        if _leads_to(endings, answer, plays)
        else "unplayed"
        if unplayed
        else "stack",
        unplayed=unplayed,
        explanation="; ".join(dict.fromkeys(each.outcome.reason for each in endings)),
        client_certificate=certificate,
    )


def cause_of_gateway_control(answer: Answer, request_id: str, hops: Hops, trace: Trace) -> AnswerCause:
    """Say the same of a call that met nodes with certificates which its resources know nothing of.

    The expectation follows from the translation, so whoever fails it did not do what it was asked.
    """
    found = cause_of(answer, request_id, hops, trace, plays={})
    return found.model_copy(update={"fault": "stack", "unplayed": ()})


def cause_of_node_control(node: str, request_id: str, hops: Hops, where: Position) -> AnswerCause:
    """Say what *node* logged of the client's certificate; *where* is the line that says what node it is."""
    entry = hops.nodes.get(request_id)
    certificate = _client_certificate(entry, hops)
    return AnswerCause(
        hop=entry.node if entry is not None else "",
        flags="",
        details="",
        transport_failure=_said_of_client(entry, certificate),
        upstream="",
        where=(f"{where} (node: {node})",),
        fault="stack",
        explanation=f"{node} was called directly, past all proxies",
        client_certificate=certificate,
    )


def _client_certificate(entry: NodeEntry | None, hops: Hops) -> Literal["", "missing", "refused"]:
    """What is wrong with the client's certificate by the words of the node's log (``$ssl_client_verify``)."""
    verdict = (entry.client_verify or "") if entry is not None else ""
    if verdict.startswith("FAILED"):
        return "refused"
    return "missing" if entry is not None and verdict == "NONE" and entry.node in hops.demanding else ""


def _said_of_client(entry: NodeEntry | None, certificate: str) -> str:
    """The node's own words of a client's certificate that it does not take; empty: it does."""
    if entry is None or not certificate:
        return ""
    verdict = entry.client_verify or ""
    return f"{verdict} ({entry.client_subject})" if entry.client_subject else verdict


def remedy_for(lines: Sequence[VerificationLine]) -> str:
    """What to do about wrong *lines*; who is at fault decides, and the resources only where they are."""
    causes = [line.cause for line in lines if line.cause is not None]
    if lines and all(line.kind == "tls-control" for line in lines):
        place = f" ({causes[0].where[0]})" if causes and causes[0].where else ""
        return (
            "A certificate was taken or refused against what the resources demand: see scenario.yaml, tls and"
            f" nodes{place}, and the logs of the verification."
        )
    for cause in causes:
        if cause.fault == "resources":
            place = f" at {' or '.join(cause.where)}" if cause.where else ""
            return (
                f"The resources lead there ({cause.explanation}): correct the Istio YAML{place}, or the"
                " expectation in scenario.yaml."
            )
    for cause in causes:
        if cause.fault == "node":
            return _remedy_of_node(cause)
    if causes:
        return _remedy_of_stand_ins(next((each for each in causes if each.fault == "unplayed"), causes[0]))
    return "See the logs of the verification in the result folder."


def _remedy_of_node(cause: AnswerCause) -> str:
    place = f" at {' or '.join(cause.where)}" if cause.where else ""
    if cause.client_certificate == "missing":
        return (
            f"{cause.hop} is the right node and demands a client certificate, and the path presents none:"
            f" write mode MUTUAL with clientCertificate and privateKey, or credentialName{place}; or give the"
            " node `tls: simple` in scenario.yaml."
        )
    if cause.client_certificate == "refused":
        return (
            f"{cause.hop} is the right node and refuses the client certificate that the path presents"
            f" ({cause.transport_failure}): correct clientCertificate or credentialName{place}, or tls in"
            " scenario.yaml, which says what is in those files."
        )
    return (
        f"{cause.hop} is the right node and gave another answer than expected: see nodes and tls in"
        " scenario.yaml, and its log; the Istio YAML leads there correctly."
    )


def _remedy_of_stand_ins(cause: AnswerCause) -> str:
    if cause.fault == "unplayed":
        place = f" ({' or '.join(cause.where)})" if cause.where else ""
        return (
            f"The resources lead to {' and '.join(cause.unplayed)}{place}, which no node plays: let a node of"
            " scenario.yaml play it."
        )
    return (
        f"By their translation the resources lead elsewhere ({cause.explanation}): a stand-in of this"
        " stack did not do what it was asked to do, and the YAML need not be at fault. See the logs of the"
        " verification, and nodes and tls in scenario.yaml."
    )


def _leads_to(endings: Sequence[Ending], answer: Answer, plays: Mapping[Address, str]) -> bool:
    """Whether the translation leads to such an answer."""
    for each in endings:
        outcome = each.outcome
        if outcome.kind == "closed":
            is_it = answer.status is None
        elif outcome.kind == "endpoint":
            is_it = answer.node is not None and answer.node in {
                plays.get(_endpoint(endpoint.address)) for endpoint in outcome.endpoints
            }
        else:
            is_it = answer.node is None and answer.status == outcome.status
        if is_it:
            return True
    return False


def _unplayed(endings: Sequence[Ending], plays: Mapping[Address, str]) -> tuple[str, ...]:
    """The endpoints to which the translation leads and that nothing of the stack is."""
    found = (
        endpoint.address
        for each in endings
        if each.outcome.kind == "endpoint"
        for endpoint in each.outcome.endpoints
        if not endpoint.proxy and _endpoint(endpoint.address) not in plays
    )
    return tuple(dict.fromkeys(found))


def _endpoint(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return same_endpoint((host.strip("[]"), int(port) if port.isdecimal() else 0))


def _origins(trace: Trace, proxy: str | None, certificate: str) -> tuple[Origin, ...]:
    """What in the YAML made the last decision of *proxy*, that of the rule first.

    Of a wrong *certificate* it is the policy that names it, if there is one.
    """
    steps = [step for hop in _hops(trace.hop) if proxy in (None, hop.proxy) for step in _steps(hop)]
    named = list(dict.fromkeys(origin for step in reversed(steps) for origin in step))
    policies = [origin for origin in named if origin.part == _POLICY]
    return tuple(policies[:1] if certificate and policies else named[:2])


def _steps(hop: Hop) -> list[tuple[Origin, ...]]:
    found = [step.origins for step in hop.steps]
    for branch in hop.branches:
        found += [step.origins for step in branch.steps]
    return [origins for origins in found if origins]


def _hops(hop: Hop) -> list[Hop]:
    return [hop, *(each for branch in hop.branches if branch.hop is not None for each in _hops(branch.hop))]


def _place(origin: Origin) -> str:
    return (
        f"{origin.position} ({origin.part}: {origin.resource})" if origin.resource else str(origin.position)
    )

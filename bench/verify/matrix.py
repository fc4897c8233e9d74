"""The whole request matrix of the Istio resources, asked of a running stack, judged by the second opinion."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bench.headers import NODE_HEADER
from bench.load import Expectation, RequestKind
from bench.placement import Address
from bench.result import VerificationLine
from bench.routing import Case, Delivered, LocalAnswer, Matrix, NoConnection, Outcome, Router, request_matrix
from bench.scenario.load import LoadedScenario
from bench.stack import Component, Stack
from bench.stack.client_address import client_address
from bench.verify.callers import make_calls
from bench.verify.calls import Answer, Call

MATRIX = "request matrix"
"""Name of the line that sums up."""
MIXED = "matrix"
"""Under this name the mixed-in requests are reported, all together."""
_MOST_CASES = 1_000
_AT_ONCE = 8
"""Calls that no one answers wait for a timeout each; none depends on another."""
_MOST_LINES = 20
"""This many wrong calls are reported in full."""


@dataclass(frozen=True, slots=True)
class MatrixCheck:
    """The matrix of one scenario, ready to be asked of any of its stacks."""

    client: str
    cases: tuple[Case, ...]
    """Those that the client's own sidecar takes and that end at a node or a proxy."""
    nodes: Mapping[Address, str]
    """Endpoint address as in the Istio resources -> node."""
    not_asked: int
    """Left out: other sidecars', with destinations that no node plays, undecided, or beyond the bound."""

    first: str
    """The first client of the traffic."""

    at_once: int = _AT_ONCE
    """Calls that are made at the same time."""

    @classmethod
    def of(
        cls,
        loaded: LoadedScenario,
        client: str | None = None,
        called: Mapping[str, tuple[str, ...]] | None = None,
    ) -> MatrixCheck:
        """Derive it from the resources alone; nothing of the translation is looked at.

        *client* is the sidecar that is asked; default: the first of the traffic. *called* gives the addresses
        that clients dial for a host.
        """
        scenario = loaded.scenario
        matrix: Matrix = request_matrix(
            Router(loaded.resources, scenario.inventory),
            loaded.resources,
            most=_MOST_CASES,
            called={host: addresses[0] for host, addresses in (called or {}).items()},
        )
        nodes = {each: name for name, node in scenario.nodes.items() for each in node.plays}
        client = client or scenario.traffic.client
        asked = tuple(
            case
            for case in matrix.cases
            if case.request.proxy in ("", client) and all(_is_played(each, nodes) for each in _outcomes(case))
        )
        left = len(matrix.cases) - len(asked) + matrix.left_out + len(matrix.unjudged)
        # A pool that the traffic's connections fit into is not overrun by the calls before them either.
        at_once = min(_AT_ONCE, scenario.traffic.connections.count)
        return cls(client, asked, nodes, left, scenario.traffic.client, at_once)

    def without(self, names: Collection[str]) -> MatrixCheck:
        """The same without the cases of these names."""
        kept = tuple(case for case in self.cases if case.name not in names)
        left = self.not_asked + len(self.cases) - len(kept)
        return MatrixCheck(self.client, kept, self.nodes, left, self.first, self.at_once)

    def verify(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """Ask everything of *stack*: one line that sums up, and one for each wrong answer.

        Raises:
            MeasurementError: the client's place cannot make calls, or the sidecar lacks a listener.
        """
        if not self.cases:
            return ()
        sidecar = stack.component(self.client)
        calls = [case_call(case, case_address(sidecar, case)) for case in self.cases]
        place = stack.client(self.client)
        answers = make_calls(calls, place, at_once=self.at_once)
        # A pod with a network of its own has no way to the nodes but through the gateway.
        is_barred = place is not None and not stack.spec.leaves_mesh(self.client)
        wrong = [
            self._line(case, answer)
            for case, answer in zip(self.cases, answers, strict=True)
            if not self._fits(case, answer, needs_gateway=is_barred)
        ]
        count = len(self.cases)
        left = f"; {self.not_asked} more not asked" if self.not_asked else ""
        whole = VerificationLine(
            name=MATRIX if self.client == self.first else f"{MATRIX} of {self.client}",
            sent=f"{count} requests derived from the Istio resources{left}",
            expected=f"{count}/{count} as the resources say",
            got=f"{count - len(wrong)}/{count}",
            node=None,
            passed=not wrong,
            kind="matrix",
        )
        return (whole, *wrong[:_MOST_LINES])

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """The certain cases at one port as traffic, together of *weight*; errors as ``verify``.

        The status that a node answers with is its own affair: it is taken from *stack*, where each case was
        verified before.
        """
        sidecar = stack.component(self.client)
        cases = [
            case
            for case in self.cases
            if case.request.port == port
            # All mixed requests go where the first request of the traffic goes.
            and not (sidecar.is_redirected and case.request.address)
            and isinstance(case.decision.outcome, Delivered | LocalAnswer)
            and not any(hop.delay for branch in case.decision.branches for hop in branch.hops)
        ]
        calls = [case_call(case, case_address(sidecar, case)) for case in cases]
        answers = make_calls(calls, stack.client(self.client))
        return tuple(
            _kind(case, answer.status, self._nodes_of(case), weight / len(cases), number)
            for number, (case, answer) in enumerate(zip(cases, answers, strict=True), 1)
            if answer.status is not None
        )

    def _nodes_of(self, case: Case) -> tuple[str, ...]:
        outcome = case.decision.outcome
        return self._behind(outcome) if isinstance(outcome, Delivered) else ()

    def _fits(self, case: Case, answer: Answer, *, needs_gateway: bool) -> bool:
        return any(
            _is_out_of_reach(answer)
            if needs_gateway and isinstance(branch.outcome, Delivered) and len(branch.hops) == 1
            else self._fits_one(branch.outcome, answer, case.request.method)
            for branch in case.decision.branches
        )

    def _fits_one(self, outcome: Outcome, answer: Answer, method: str) -> bool:
        node = answer.headers.get(NODE_HEADER)
        match outcome:
            case Delivered():
                # Where it went is what counts: what the node thinks of the path is its own affair.
                return node is not None and node in self._behind(outcome)
            case LocalAnswer():
                has_body = outcome.body is not None and method != "HEAD" and answer.text != ""
                return (
                    answer.status == outcome.status
                    and node is None
                    and answer.headers.get("location") == outcome.location
                    and (not has_body or answer.text == outcome.body)
                )
            case NoConnection():
                return answer.status is None
        return False

    def _behind(self, outcome: Delivered) -> tuple[str, ...]:
        endpoints = outcome.destination.endpoints
        return tuple(
            self.nodes[endpoint.address, endpoint.port]
            for endpoint in endpoints
            if (endpoint.address, endpoint.port) in self.nodes
        )

    def _line(self, case: Case, answer: Answer) -> VerificationLine:
        request = case.request
        headers = "".join(f" -H '{name}: {value}'" for name, value in request.headers)
        method = "" if request.method == "GET" else f"-X {request.method} "
        query = f"?{request.query}" if request.query else ""
        node = answer.headers.get(NODE_HEADER)
        came = f"{answer.status}{f' from {node}' if node else ' from a proxy'}"
        return VerificationLine(
            name=line_name(case),
            sent=f"{method}http://{request.host}{request.path}{query}{headers} (port {request.port})",
            expected=" or ".join(dict.fromkeys(self._outcome_text(outcome) for outcome in _outcomes(case))),
            got=came if answer.status is not None else answer.error or "nothing",
            node=node,
            passed=False,
            kind="matrix",
        )

    def _outcome_text(self, outcome: Outcome) -> str:
        match outcome:
            case Delivered():
                return f"an answer from {' or '.join(self._behind(outcome))}"
            case LocalAnswer():
                where = f" to {outcome.location}" if outcome.location else ""
                return f"{outcome.status} from a proxy{where} ({outcome.why})"
            case NoConnection():
                return f"no connection ({outcome.why})"
        return "nothing that can be decided"


def case_address(sidecar: Component, case: Case) -> Address:
    """Where the client beside *sidecar* sends a case; errors as ``client_address``."""
    if case.request.address and sidecar.is_redirected:
        return case.request.address, case.request.port
    return client_address(sidecar, case.request.port)


def line_name(case: Case) -> str:
    """Name of the line of a wrong answer to *case*."""
    return f"{MIXED}: {case.name}"


def _is_out_of_reach(answer: Answer) -> bool:
    """The sidecar itself must say that it cannot connect to a node beyond its network."""
    return answer.status == 503 and NODE_HEADER not in answer.headers


def _outcomes(case: Case) -> Iterator[Outcome]:
    return (branch.outcome for branch in case.decision.branches)


def _is_played(outcome: Outcome, nodes: Mapping[Address, str]) -> bool:
    """Whether it can be seen: every endpoint that may answer is a node of the scenario."""
    if isinstance(outcome, Delivered):
        endpoints = outcome.destination.endpoints
        return bool(endpoints) and all((each.address, each.port) in nodes for each in endpoints)
    return isinstance(outcome, LocalAnswer | NoConnection)


def _kind(case: Case, status: int, nodes: tuple[str, ...], weight: float, number: int) -> RequestKind:
    request = case.request
    query = f"?{request.query}" if request.query else ""
    return RequestKind(
        name=f"{MIXED}: {number}",
        weight=weight,
        method=request.method,
        path=f"{request.path}{query}",
        headers=(("Host", request.host), *request.headers),
        expect=Expectation(status=status, nodes=nodes, by_proxy=not nodes),
    )


def case_call(case: Case, address: Address) -> Call:
    """The call that asks *case* of whoever listens at *address*."""
    request = case.request
    query = f"?{request.query}" if request.query else ""
    return Call(
        url=f"http://{address[0]}:{address[1]}{request.path}{query}",
        method=request.method,
        exactly=(("Host", request.host), *request.headers),
    )

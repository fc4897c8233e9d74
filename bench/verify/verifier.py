"""Everything that is called once before any load, for one scenario and its certificates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from bench.certs import Material
from bench.explain import Explainer
from bench.headers import ID_HEADER
from bench.load import RequestKind
from bench.placement import same_endpoint
from bench.preparation import Prepared, known_certificates, routed
from bench.result import RunWarning, VerificationLine
from bench.routing import Request
from bench.scenario import MixedRequest, host_of
from bench.stack import ComponentFaults, Stack
from bench.verify.callers import make_calls
from bench.verify.calls import Call
from bench.verify.client_tls_controls import ClientTlsControl, Identities, client_tls_controls
from bench.verify.diagnosis import (
    Hops,
    cause_of,
    cause_of_gateway_control,
    cause_of_node_control,
    read_hops,
)
from bench.verify.matrix import MatrixCheck, case_address, case_call, line_name
from bench.verify.opinions import Contradiction, Opinions, warnings_of
from bench.verify.path_calls import path_requests
from bench.verify.upstream_tls_controls import verify_gateway
from bench.verify.upstream_tls_expectation import upstream_checks
from bench.verify.walkthrough import path_check, verify

AwaitLogs = Callable[[Sequence[Path]], None]
"""Returns when these access logs are complete."""


class Verifying(Protocol):
    """What an experiment wants to know before it sends load."""

    def contradictions(self) -> tuple[RunWarning, ...]:
        """What cannot be as expected, and what the suite does not agree about; before anything starts."""

    def ask_scenario(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """The scenario's own calls, and the nodes' end of mutual TLS."""

    def ask_matrix(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """The request matrix that follows from the resources."""

    def probe_gateway(
        self, stack: Stack, faults: ComponentFaults, await_logs: AwaitLogs
    ) -> tuple[VerificationLine, ...]:
        """The gateway's end of TLS, at nodes with wrong certificates: on a stack that carries no load.

        Its proxies log every request, so that each failed line has its cause.
        """

    def look_into(
        self, stack: Stack, lines: Sequence[VerificationLine], await_logs: AwaitLogs
    ) -> tuple[VerificationLine, ...]:
        """The *lines*, each wrong call of them with its cause, on a stack whose proxies log every request."""

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """The matrix as traffic, together of *weight*."""


class Verifier:
    """The real calls; all raise ``MeasurementError`` where the client's place cannot make calls."""

    def __init__(self, prepared: Prepared, material: Material) -> None:
        self._prepared = prepared
        self._loaded = prepared.loaded
        self._material = material
        self._explainer = Explainer(prepared.registry, prepared.loaded.resources)
        client = prepared.loaded.scenario.traffic.client
        self._opinions = Opinions(self._explainer, client)
        # What is known of the nodes' certificates is not part of routing, but says why a call fails.
        known = Explainer(
            prepared.registry,
            prepared.loaded.resources,
            known_certificates(prepared.loaded.scenario, prepared.registry, prepared.loaded.folder),
        )
        self._informed = Opinions(known, client)

    @functools.cached_property
    def _contradictions(self) -> tuple[Contradiction, ...]:
        cases = (case for matrix in self._whole_matrices for case in matrix.cases)
        found = (self._opinions.contradiction(case) for case in cases)
        return tuple(each for each in found if each is not None)

    @functools.cached_property
    def _whole_matrices(self) -> tuple[MatrixCheck, ...]:
        """One for each client, of what its own sidecar takes."""
        senders = self._loaded.scenario.traffic.senders
        return tuple(MatrixCheck.of(self._loaded, each, self._prepared.called) for each in senders)

    @functools.cached_property
    def _matrices(self) -> tuple[MatrixCheck, ...]:
        left_out = {each.name for each in self._contradictions}
        called = {host_of(each.headers, each.authority)[0] for each in self._loaded.scenario.traffic.mix}
        for matrix in self._whole_matrices:
            # Names that the traffic does not call, and that no certificate needs to have.
            others = (case for case in matrix.cases if case.request.host not in called)
            left_out |= {case.name for case in others if self._informed.finds_wrong_name(case)}
        return tuple(matrix.without(left_out) for matrix in self._whole_matrices)

    def contradictions(self) -> tuple[RunWarning, ...]:
        """See :mod:`bench.preparation.foreseen` and :mod:`bench.verify.opinions`."""
        foreseen = (
            RunWarning(code=each.code, message=f"{each.where}: {each.what}", advice=each.advice)
            for each in self._prepared.foreseen
        )
        return (*foreseen, *warnings_of(self._contradictions))

    def ask_scenario(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """See :func:`bench.verify.walkthrough.verify`."""
        return verify(stack, self._loaded.scenario, self._identities)

    @property
    def _identities(self) -> dict[str, Identities]:
        nodes = self._loaded.scenario.nodes
        return {name: Identities.of(self._material, node.set) for name, node in nodes.items()}

    def _node_controls(self, stack: Stack) -> Iterator[ClientTlsControl]:
        nodes = [part for part in stack.components() if part.role == "node"]
        return client_tls_controls(nodes, self._loaded.scenario, self._identities)

    def ask_matrix(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """See :meth:`bench.verify.matrix.MatrixCheck.verify`."""
        return tuple(line for matrix in self._matrices for line in matrix.verify(stack))

    def probe_gateway(
        self, stack: Stack, faults: ComponentFaults, await_logs: AwaitLogs
    ) -> tuple[VerificationLine, ...]:
        """See :func:`bench.verify.upstream_tls_controls.verify_gateway`."""
        traffic = self._loaded.scenario.traffic
        expected = {
            request.name: upstream_checks(
                self._explainer,
                self._opinions.trace(self._routed(request)),
                traffic.gateway or request.client,
            )
            for request in traffic.mix
            if request.expect.nodes and request.is_plain_http
        }
        probed = verify_gateway(stack, faults, self._loaded.scenario, self._material, expected)
        if all(each.line.passed for each in probed):
            return tuple(each.line for each in probed)
        hops = self._hops(stack, await_logs)
        return tuple(
            each.line
            if each.line.passed
            else each.line.model_copy(
                update={
                    "cause": cause_of_gateway_control(
                        each.answer, each.id, hops, self._informed.trace(self._routed(each.request))
                    )
                }
            )
            for each in probed
        )

    def _hops(self, stack: Stack, await_logs: AwaitLogs) -> Hops:
        """What the parts of *stack* have logged."""
        components = stack.components()
        await_logs([part.access_log for part in components if part.access_log is not None])
        return read_hops(components, self._loaded.scenario.traffic.client)

    def look_into(
        self, stack: Stack, lines: Sequence[VerificationLine], await_logs: AwaitLogs
    ) -> tuple[VerificationLine, ...]:
        """See :mod:`bench.verify.diagnosis`."""
        scenario = self._loaded.scenario
        known = dict(self._calls(stack))
        wrong = dict.fromkeys(line.name for line in lines if not line.passed)
        asked = [name for name in wrong if name in known]
        ids = {name: f"why/{number:013d}" for number, name in enumerate(asked)}
        calls = [known[name][0].with_header(ID_HEADER, ids[name]) for name in asked]
        answers = dict(zip(asked, make_calls(calls, stack.client(scenario.traffic.client)), strict=True))
        controls = {each.line_name: each for each in self._node_controls(stack)}
        failed = [name for name in wrong if name in controls]
        direct = {name: f"tls/{number:013d}" for number, name in enumerate(failed)}
        make_calls([controls[name].call.with_header(ID_HEADER, its_id) for name, its_id in direct.items()])
        hops = self._hops(stack, await_logs)
        right = {each.name: each.expect.nodes for each in path_requests(scenario)}
        plays = {same_endpoint(each): name for name, node in scenario.nodes.items() for each in node.plays}
        causes = {
            name: cause_of(
                answers[name],
                ids[name],
                hops,
                self._informed.trace(known[name][1]),
                plays=plays,
                right_nodes=right.get(name, ()),
            )
            for name in asked
        } | {
            name: cause_of_node_control(
                controls[name].node.name,
                request_id,
                hops,
                self._loaded.position("nodes", controls[name].node.name),
            )
            for name, request_id in direct.items()
        }
        return tuple(
            line.model_copy(update={"cause": causes[line.name]})
            if not line.passed and line.cause is None and line.name in causes
            else line
            for line in lines
        )

    def _calls(self, stack: Stack) -> Iterator[tuple[str, tuple[Call, Request]]]:
        """Name of a line -> its call on *stack*, and the same request as the second opinion knows it."""
        scenario = self._loaded.scenario
        for request in path_requests(scenario):
            # Of bytes and of what the client encrypts, no proxy on the way logs a request.
            if request.mixed.is_plain_http:
                path, _, query = request.path.partition("?")
                headers = tuple(request.headers.items())
                address = next(iter(self._prepared.called.get(request.mixed.host, ())), "")
                asked = Request(
                    request.host, request.port, path, request.method, headers, query, request.client, address
                )
                yield request.name, (path_check(stack, scenario, request).call, asked)
        for matrix in self._matrices:
            sidecar = stack.component(matrix.client)
            for case in matrix.cases:
                at = case_address(sidecar, case)
                yield line_name(case), (case_call(case, at), case.request)

    def _routed(self, mixed: MixedRequest) -> Request:
        """One request of the mix as the second opinion knows it."""
        return routed(mixed, self._prepared.called.get(mixed.host, ()))

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """See :meth:`bench.verify.matrix.MatrixCheck.mixable`."""
        return self._matrices[0].mixable(stack, port=port, weight=weight)

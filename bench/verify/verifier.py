"""Everything that is called once before any load, for one scenario and its certificates."""

from __future__ import annotations

import functools
from typing import Protocol

from bench.certs.material import Material
from bench.explain import Explainer
from bench.load import RequestKind
from bench.preparation import Prepared
from bench.result import RunWarning, VerificationLine
from bench.routing.request import Request
from bench.scenario.models import Subset, Traffic
from bench.stack import ComponentFaults, Stack
from bench.verify.client_tls_controls import Identities
from bench.verify.matrix import MatrixCheck
from bench.verify.opinions import Contradiction, Opinions, warnings_of
from bench.verify.path_calls import host_of
from bench.verify.upstream_tls_controls import verify_gateway
from bench.verify.upstream_tls_expectation import upstream_checks
from bench.verify.walkthrough import verify


class Verifying(Protocol):
    """What an experiment wants to know before it sends load."""

    def contradictions(self) -> tuple[RunWarning, ...]:
        """What the suite itself does not agree about; known before anything starts."""

    def walk(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """The scenario's own calls, and the nodes' end of mutual TLS."""

    def ask_matrix(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """The request matrix that follows from the resources."""

    def probe_gateway(self, stack: Stack, faults: ComponentFaults) -> tuple[VerificationLine, ...]:
        """The gateway's end of TLS, at nodes with wrong certificates: on a stack that carries no load."""

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """The matrix as traffic, together of *weight*."""


class Verifier:
    """The real calls; all raise ``MeasurementError`` where the client's place cannot make calls."""

    def __init__(self, prepared: Prepared, material: Material) -> None:
        self._loaded = prepared.loaded
        self._material = material
        self._explainer = Explainer(prepared.registry, prepared.loaded.resources)
        self._opinions = Opinions(self._explainer, prepared.loaded.scenario.traffic.client)

    @functools.cached_property
    def _contradictions(self) -> tuple[Contradiction, ...]:
        found = (self._opinions.contradiction(case) for case in self._whole_matrix.cases)
        return tuple(each for each in found if each is not None)

    @functools.cached_property
    def _whole_matrix(self) -> MatrixCheck:
        return MatrixCheck.of(self._loaded)

    @functools.cached_property
    def _matrix(self) -> MatrixCheck:
        return self._whole_matrix.without({each.name for each in self._contradictions})

    def contradictions(self) -> tuple[RunWarning, ...]:
        """See :mod:`bench.verify.opinions`."""
        return warnings_of(self._contradictions)

    def walk(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """See :func:`bench.verify.walkthrough.verify`."""
        scenario = self._loaded.scenario
        identities = {name: Identities.of(self._material, node.set) for name, node in scenario.nodes.items()}
        return verify(stack, scenario, identities)

    def ask_matrix(self, stack: Stack) -> tuple[VerificationLine, ...]:
        """See :meth:`bench.verify.matrix.MatrixCheck.verify`."""
        return self._matrix.verify(stack)

    def probe_gateway(self, stack: Stack, faults: ComponentFaults) -> tuple[VerificationLine, ...]:
        """See :func:`bench.verify.upstream_tls_controls.verify_gateway`."""
        traffic = self._loaded.scenario.traffic
        expected = {
            name: upstream_checks(
                self._explainer, self._opinions.trace(_request(traffic, subset)), traffic.gateway
            )
            for name, subset in traffic.subsets.items()
            if subset.expect.nodes
        }
        return verify_gateway(stack, faults, self._loaded.scenario, self._material, expected)

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """See :meth:`bench.verify.matrix.MatrixCheck.mixable`."""
        return self._matrix.mixable(stack, port=port, weight=weight)


def _request(traffic: Traffic, subset: Subset) -> Request:
    """One request of *subset* as the second opinion knows it."""
    host, headers = host_of(subset.headers, traffic.host)
    path, _, query = (subset.path or traffic.path).partition("?")
    return Request(host, traffic.port, path, subset.method, tuple(headers.items()), query)

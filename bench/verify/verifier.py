"""Everything that is called once before any load, for one scenario and its certificates."""

from __future__ import annotations

import functools
from typing import Protocol

from bench.certs.material import Material
from bench.load import RequestKind
from bench.result import VerificationLine
from bench.scenario.load import LoadedScenario
from bench.stack import ComponentFaults, Stack
from bench.verify.client_tls_controls import Identities
from bench.verify.matrix import MatrixCheck
from bench.verify.upstream_tls_controls import verify_gateway
from bench.verify.walkthrough import verify


class Verifying(Protocol):
    """What an experiment wants to know before it sends load."""

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

    def __init__(self, loaded: LoadedScenario, material: Material) -> None:
        self._loaded = loaded
        self._material = material

    @functools.cached_property
    def _matrix(self) -> MatrixCheck:
        return MatrixCheck.of(self._loaded)

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
        return verify_gateway(stack, faults, self._loaded.scenario, self._material)

    def mixable(self, stack: Stack, *, port: int, weight: float) -> tuple[RequestKind, ...]:
        """See :meth:`bench.verify.matrix.MatrixCheck.mixable`."""
        return self._matrix.mixable(stack, port=port, weight=weight)

"""The gateway's end of mutual TLS: nodes with a wrong certificate, each of which it must refuse.

The nodes' own end, clients with a wrong certificate, is in ``client_tls_controls``. This needs nodes that
change their certificate, so it has a stack of its own that carries no load.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.certs.material import WRONG, Material
from bench.headers import NODE_HEADER
from bench.result import VerificationLine
from bench.scenario.models import Scenario, Subset
from bench.stack import ClientPlace, ComponentFaults, Stack
from bench.stack.client_address import client_address
from bench.telemetry.admin import Admin
from bench.verify.calls import Call, make_calls

_REFUSED = r"\.ssl\.fail_verify_(error|san)$"
"""Counters of handshakes in which Envoy did not trust the other side."""
_NAME_CHECKS = ("subject_alt_names", "auto_sni_san_validation")
"""In a cluster: the name in the node's certificate is checked. Without one any name will do."""
_TRUST_CHECKS = ("validation_context_sds_secret_config", "trusted_ca")
_NO_TRUST_CHECK = "ACCEPT_UNTRUSTED"
_TRIES = 20
_AGAIN_S = 0.05


def verify_gateway(
    stack: Stack, faults: ComponentFaults, scenario: Scenario, material: Material
) -> tuple[VerificationLine, ...]:
    """Give all nodes each wrong certificate in turn, and at last the right one, and call each subset.

    Raises:
        StackError: a node does not take its configuration.
    """
    gateway = scenario.traffic.gateway
    checks = _checks(stack, gateway)
    if checks is None:
        return ()
    lines = []
    with Admin(stack.component(gateway).admin_url or "", name=gateway) as admin:
        for kind in WRONG:
            _use(stack, faults, scenario, material.wrong(kind))
            accepts = not checks.trust or (kind == "wrong-san" and not checks.names)
            lines += [each.ask(admin, kind, accepts=accepts) for each in _probes(stack, scenario)]
        for name, node in scenario.nodes.items():
            if stack.component(name).tls != "none":
                faults.use_certificates(name, material.of_set(node.set))
        lines += [each.ask(admin, "right", accepts=True) for each in _probes(stack, scenario)]
    return tuple(lines)


@dataclass(frozen=True, slots=True)
class _Checks:
    """What the resources make the gateway check of a node's certificate."""

    trust: bool
    names: bool


def _checks(stack: Stack, gateway: str) -> _Checks | None:
    """None: its clusters differ in what they check, or originate no TLS; a user's own affair, then."""
    config = stack.component(gateway).config
    if config is None:
        return None
    tree = yaml.safe_load((config / "xds" / "cds.yaml").read_text("utf-8"))
    sockets = [cluster["transport_socket"] for cluster in tree["resources"] if "transport_socket" in cluster]
    found = {
        _Checks(
            trust=any(check in text for check in _TRUST_CHECKS) and _NO_TRUST_CHECK not in text,
            names=any(check in text for check in _NAME_CHECKS),
        )
        for text in map(str, sockets)
    }
    return found.pop() if len(found) == 1 else None


def _use(stack: Stack, faults: ComponentFaults, scenario: Scenario, certificates: Path) -> None:
    for node in scenario.nodes:
        if stack.component(node).tls != "none":
            faults.use_certificates(node, certificates)
    stack.check_alive()


@dataclass(frozen=True, slots=True)
class _Probe:
    """One subset, called through the path."""

    name: str
    subset: Subset
    call: Call
    place: ClientPlace | None
    """Where the client is."""

    def ask(self, admin: Admin, kind: str, *, accepts: bool) -> VerificationLine:
        """Call, until the connections from before are gone, whose end may be met first, and judge."""
        right = str(self.subset.expect.status)
        for _ in range(_TRIES):
            before = _refusals(admin)
            (answer,) = make_calls([self.call], self.place)
            refused = _refusals(admin) - before
            node = answer.headers.get(NODE_HEADER)
            passed = (
                str(answer.status) == right and node is not None
                if accepts
                else answer.status == 503 and node is None and refused > 0
            )
            if passed:
                break
            time.sleep(_AGAIN_S)
        got = str(answer.status) if answer.status is not None else answer.error or "nothing"
        what = "names" if kind == "wrong-san" else "certificates"
        unchecked = right if kind == "right" else f"{right} ({what} are not checked)"
        return VerificationLine(
            name=f"{self.name}, node cert {kind}",
            sent=f"{self.name} through the path, all nodes with a certificate of the kind {kind}",
            expected=unchecked if accepts else "503 handshake refused",
            got=f"{got}{' handshake refused' if refused else ''}",
            node=node,
            passed=passed,
            kind="tls-control",
        )


def _refusals(admin: Admin) -> int:
    return sum(admin.stats(_REFUSED).values())


def _probes(stack: Stack, scenario: Scenario) -> list[_Probe]:
    traffic = scenario.traffic
    host, port = client_address(stack.component(traffic.client), traffic.port)
    return [
        _Probe(
            name,
            subset,
            Call(
                url=f"http://{host}:{port}{subset.path or traffic.path}",
                method=subset.method,
                headers={"host": traffic.host, **subset.headers},
                body=subset.body,
            ),
            stack.client(traffic.client),
        )
        for name, subset in traffic.subsets.items()
        if subset.expect.nodes
    ]

"""TLS towards a server whose certificate nobody checks (IST0128, IST0129).

Source of the rules: istio ``destinationrule/ca-certificates.go``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from bench.check.finding import Finding, Level, finding
from bench.check.messages import RuleCase
from bench.check.rules.surroundings import Surroundings
from bench.istio.models import ClientTLSSettings, DestinationRule, TrafficPolicy
from bench.istio.problem import Path
from bench.istio.resource import Resource
from bench.message import say


def check_server_verification(surroundings: Surroundings) -> Iterator[Finding]:
    """IST0128 for the policy of the whole rule, IST0129 for that of a port.

    istioctl does not look into subsets; there the code is EB0010.
    """
    for rule in surroundings.resources.destination_rules:
        policy = rule.spec.traffic_policy
        if policy is not None:
            for code, tls, path, port in _settings(policy, ("spec", "trafficPolicy")):
                if is_unverified(rule.spec, tls):
                    yield _unverified(code, rule, tls, path, _server(rule.spec.host, port))
        for number, subset in enumerate(rule.spec.subsets):
            if subset.traffic_policy is None:
                continue
            for _, tls, path, port in _settings(
                subset.traffic_policy, ("spec", "subsets", number, "trafficPolicy")
            ):
                if is_unverified(rule.spec, tls):
                    server = _server(rule.spec.host, port, subset.name)
                    yield _unverified("EB0010", rule, tls, path, server)


def _settings(
    policy: TrafficPolicy, root: Path
) -> Iterator[tuple[str, ClientTLSSettings | None, Path, int | None]]:
    """Give each TLS setting of *policy* with its code, its place and its port, if it is that of one."""
    yield "IST0128", policy.tls, (*root, "tls"), None
    for index, port in enumerate(policy.port_level_settings):
        number = port.port.number if port.port is not None else 0
        yield "IST0129", port.tls, (*root, "portLevelSettings", index, "tls"), number


def is_unverified(rule: DestinationRule, tls: ClientTLSSettings | None) -> bool:
    """Tell whether *tls* starts TLS and names nothing to check the server's certificate against.

    A ``credentialName`` brings its own CA where a ``workloadSelector`` lets sidecars use it.
    """
    if tls is None or tls.mode not in ("SIMPLE", "MUTUAL") or tls.ca_certificates:
        return False
    return not (tls.credential_name and rule.workload_selector is not None)


def _unverified(
    code: str, rule: Resource[DestinationRule], tls: ClientTLSSettings | None, path: Path, server: Hashable
) -> Finding:
    mode = tls.mode if tls is not None else ""
    field = "caCertificates" if tls is not None and "ca_certificates" in tls.model_fields_set else "mode"
    if tls is not None and tls.insecure_skip_verify:
        case = RuleCase.SKIPS_VERIFICATION
    elif tls is not None and tls.credential_name:
        case = RuleCase.CREDENTIAL_FOR_GATEWAYS
    else:
        case = RuleCase.NO_CA
    return finding(Level.WARNING, code, rule, (*path, field), say(case, mode=mode, server=server))


def _server(host: str, port: int | None, subset: str | None = None) -> Hashable:
    if subset is None:
        return host if port is None else say(RuleCase.PORT_OF, host=host, port=port)
    if port is None:
        return say(RuleCase.SUBSET_OF, host=host, subset=subset)
    return say(RuleCase.PORT_OF_SUBSET, host=host, subset=subset, port=port)

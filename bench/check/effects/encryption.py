"""TLS that is not what the rules say (EB0103, EB0106, EB0002, EB0005, EB0006)."""

from __future__ import annotations

from collections.abc import Iterator

from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import STAND_INS, FateCode, UpstreamTls, fate_of, rules_for, wrong_name
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.hosts import covers, expand_host, is_ip, is_wildcard
from bench.istio.models import DestinationRule, TrafficPolicy
from bench.istio.problem import Path
from bench.istio.registry import ProxyView, Service
from bench.istio.resource import Resource
from bench.message import Message, say
from bench.translate import Notice

_ORIGINATING = ("SIMPLE", "MUTUAL", "ISTIO_MUTUAL")


def check_lost_tls(found: Survey) -> Iterator[Finding]:
    """EB0103: a closer setting replaced the policy that has TLS. Only what some route uses is named."""
    used = {(use.here.name, use.cluster) for use in found.uses}
    reported: set[Position] = set()
    for here in found.translated:
        for warning in here.config.warnings:
            if warning.code != Notice.TLS_DROPPED or warning.where in reported:
                continue
            if (here.name, dict(warning.data)["cluster"]) in used:
                reported.add(warning.where)
                yield found.finding(
                    Level.WARNING, "EB0103", warning.where, say(EffectCase.TLS_DROPPED, warning=warning)
                )


def check_plain_text(found: Survey) -> Iterator[Finding]:
    """EB0106 and EB0002: a rule for the host is not in force where the traffic leaves.

    EB0106 if that rule starts TLS and the traffic leaves in plain text; EB0002 for any other rule that is
    out of a gateway's reach.
    """
    rules = _RulesByHost(found)
    views = {here.name: ProxyView(found.registry, here.name) for here in found.translated}
    reported: set[tuple[str, str, str]] = set()
    ruled = {(use.here.name, use.sent_host) for use in found.uses if use.has_rule}
    for use in found.uses:
        if not use.has_rule and not use.here.is_sidecar:
            continue
        named = parse_cluster_name(use.cluster)
        if named is None:
            continue
        host = named.host
        service = views[use.here.name].service(host)
        cluster = use.here.clusters.find(use.cluster)
        if service is None or cluster is None or _leads_to_gateway(found, use):
            continue
        merged = views[use.here.name].rule(service)
        in_force = {source.title for source in merged.sources} if merged is not None else set()
        for rule in rules.covering(host):
            key = (use.here.name, rule.title, use.cluster)
            if rule.title in in_force or key in reported:
                continue
            reported.add(key)
            # Where a rule sends the host elsewhere, what is left is a port that nobody may call.
            is_left = not use.has_rule and (use.here.name, service.host) in ruled
            level = Level.INFO if is_left else Level.WARNING
            yield from _out_of_reach(found, use, rule, service, named.port, level=level)


class _RulesByHost:
    def __init__(self, found: Survey) -> None:
        self._exact: dict[str, list[Resource[DestinationRule]]] = {}
        for rule in found.resources.destination_rules:
            host = expand_host(rule.spec.host, rule.namespace, found.registry.inventory.domain)
            self._exact.setdefault(host, []).append(rule)
        self._wildcards = [host for host in self._exact if is_wildcard(host)]

    def covering(self, host: str) -> Iterator[Resource[DestinationRule]]:
        yield from self._exact.get(host, ())
        for wildcard in self._wildcards:
            if wildcard != host and covers(wildcard, host):
                yield from self._exact[wildcard]


def _leads_to_gateway(found: Survey, use: Use) -> bool:
    cluster = use.here.clusters.find(use.cluster)
    endpoints = use.here.clusters.endpoints(cluster) if cluster is not None else ()
    return any(found.proxies.gateway_at(endpoint.address) for endpoint in endpoints)


def _out_of_reach(
    found: Survey, use: Use, rule: Resource[DestinationRule], service: Service, port: int, *, level: Level
) -> Iterator[Finding]:
    cluster = use.here.clusters.find(use.cluster)
    tls_path = originating_path(rule.spec, port)
    is_plain = cluster is not None and use.here.clusters.tls(cluster) is None
    fate = fate_of(use.here.view, service, rule)
    port_spec = service.port(port)
    speaks_tls_itself = port_spec is not None and port_spec.protocol.is_tls
    if tls_path is not None and is_plain and not speaks_tls_itself:
        yield found.finding(
            level,
            "EB0106",
            rule.position(tls_path),
            say(
                EffectCase.PLAIN_TEXT, who=use.who, proxy=use.here.name, host=service.host, fate=fate.message
            ),
        )
    elif not use.here.is_sidecar and fate.code is FateCode.ELSEWHERE:
        yield found.finding(
            Level.WARNING,
            "EB0002",
            rule.position(("spec", "host")),
            say(
                EffectCase.RULE_OUT_OF_REACH,
                host=service.host,
                proxy=use.here.name,
                who=use.who,
                fate=fate.message,
            ),
        )


def has_originating_rule(use: Use) -> bool:
    """Tell whether a rule for the host of *use* starts TLS on its port, wherever that rule is in force."""
    named = parse_cluster_name(use.cluster)
    if named is None:
        return False
    return any(originating_path(rule.spec, named.port) for rule in rules_for(use.here.view, named.host))


def originating_path(rule: DestinationRule, port: int) -> Path | None:
    """Give the place where *rule* starts TLS for *port*, ``None`` if it does not."""
    policies: list[tuple[TrafficPolicy | None, Path]] = [(rule.traffic_policy, ("spec", "trafficPolicy"))]
    policies += [
        (subset.traffic_policy, ("spec", "subsets", index, "trafficPolicy"))
        for index, subset in enumerate(rule.subsets)
    ]
    for policy, path in policies:
        if policy is None:
            continue
        for index, own in enumerate(policy.port_level_settings):
            if own.port is not None and own.port.number == port and own.tls is not None:
                if own.tls.mode in _ORIGINATING:
                    return (*path, "portLevelSettings", index, "tls")
                return None
        if policy.tls is not None and policy.tls.mode in _ORIGINATING:
            return (*path, "tls")
    return None


def check_server_names(found: Survey) -> Iterator[Finding]:
    """EB0005: SNI would follow a host that is an IP. EB0006: ``sni`` switches the check of the name off.

    Both concern HTTP only: behind a TCP proxy there is no Host to follow, which `explain` reports.
    """
    reported: set[tuple[str, Position]] = set()
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        tls = use.here.clusters.tls(cluster) if cluster is not None else None
        if cluster is None or tls is None or not use.is_http:
            continue
        host = use.sent_host
        has_no_name = tls.follows_host and is_ip(host.strip("[]"))
        is_unchecked = tls.is_verified and bool(tls.sni) and not tls.demanded_names(host)
        where = use.setting(cluster, "tls") if has_no_name or is_unchecked else None
        if where is None:
            continue
        if has_no_name and ("EB0005", where) not in reported:
            reported.add(("EB0005", where))
            yield found.finding(
                Level.WARNING,
                "EB0005",
                where,
                say(EffectCase.SNI_IS_ADDRESS, who=use.who, host=host),
            )
        if is_unchecked and ("EB0006", where) not in reported and not _is_mesh_tls(found, tls):
            reported.add(("EB0006", where))
            yield found.finding(
                Level.INFO,
                "EB0006",
                where,
                say(
                    EffectCase.NAME_UNCHECKED,
                    proxy=use.here.name,
                    ca=tls.ca,
                    advice=_name_to_demand(use, cluster, tls),
                ),
            )


def check_certificate_names(found: Survey) -> Iterator[Finding]:
    """EB0118: the certificate of a known server has none of the names that a proxy demands."""
    reported: set[tuple[str, Position]] = set()
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        if cluster is None or use.here.clusters.tls(cluster) is None:
            continue
        addresses = [each.address for each in use.here.clusters.endpoints(cluster)]
        cause = wrong_name(use.here, cluster, use.sent_host if use.is_http else None, addresses)
        where = use.setting(cluster, "tls") if cause is not None else None
        if cause is None or where is None or (use.here.name, where) in reported:
            continue
        reported.add((use.here.name, where))
        case = EffectCase.FAIL_UPSTREAM if use.is_http else EffectCase.END_AT
        yield found.finding(
            Level.ERROR if use.has_rule or not use.here.is_sidecar else Level.WARNING,
            "EB0118",
            where,
            say(EffectCase.WRONG_NAME, effect=say(case, who=use.who, proxy=use.here.name), cause=cause),
        )


def _is_mesh_tls(found: Survey, tls: UpstreamTls) -> bool:
    """Tell whether both ends are workloads of the mesh, whose names are identities and not host names."""
    workload = found.registry.inventory.workload
    return tls.ca in {STAND_INS.workload_ca, workload.ca if workload is not None else None}


def _name_to_demand(use: Use, cluster: Cluster, tls: UpstreamTls) -> Message:
    """Say what to write in subjectAltNames: a name that the certificates bear, where they are known."""
    known = [
        certificate
        for endpoint in use.here.clusters.endpoints(cluster)
        if (certificate := use.here.certificate_names(endpoint.address)) is not None
    ]
    if all(certificate.has_name(tls.sni) for certificate in known):
        return say(EffectCase.WRITE_NAME, name=tls.sni)
    shared = [name for name in known[0].names if all(each.has_name(name) for each in known)]
    if not shared:
        return say(EffectCase.NO_COMMON_NAME)
    return say(EffectCase.WRITE_CERTIFICATE_NAME, name=shared[0], sni=tls.sni)

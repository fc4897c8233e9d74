"""What becomes of traffic that a sidecar sends to a gateway (EB0107), and TLS that does not fit a server.

Each way is followed as `explain` does, so that the two never differ. EB0110: TLS within TLS; EB0111: plain
HTTP to a port that expects TLS.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.check.effects.encryption import has_originating_rule
from bench.check.effects.survey import Survey
from bench.check.effects.uses import Use
from bench.check.finding import Finding, Level
from bench.check.messages import EffectCase
from bench.errors import Position
from bench.explain import (
    Behind,
    Branch,
    Cause,
    Connection,
    Hop,
    Outcome,
    Request,
    TlsLayer,
    Tracer,
    speaks_tls,
)
from bench.istio.cluster_names import parse_cluster_name
from bench.istio.registry import Origin
from bench.message import Message, say
from bench.translate import Notice, TranslationWarning

_CLOSED = frozenset(
    {
        Cause.NO_LISTENER,
        Cause.NO_FILTER_CHAIN,
        Cause.EXPECTS_TLS,
        Cause.EXPECTS_HTTP,
        Cause.EXPECTS_CERTIFICATE,
        Cause.IDLE_CHAIN,
        Cause.LOOP,
    }
)


def check_gateway_connections(found: Survey) -> Iterator[Finding]:
    """EB0107: a gateway closes the connections that a sidecar opens to it."""
    reported: set[tuple[int, str, Cause]] = set()
    for use, behind in found.handed_over:
        if use.is_mirror or is_own_service(found, use, behind):
            continue
        for outcome in _closed_ways(found, use, behind):
            key = (id(use.source), behind.proxy, outcome.cause)
            if key not in reported:
                reported.add(key)
                yield _closed(found, use, behind, outcome)


def is_own_service(found: Survey, use: Use, behind: Behind) -> bool:
    """Tell whether *use* is only the way to the gateway's own Service, which nobody calls by its name."""
    named = parse_cluster_name(use.cluster)
    return (
        not use.has_rule
        and named is not None
        and any(
            service.host == named.host and service.origin is Origin.KUBERNETES
            for service in found.registry.services
        )
        and found.proxies.gateway_at(behind.address) == behind.proxy
    )


def _closed_ways(found: Survey, use: Use, behind: Behind) -> Iterator[Outcome]:
    cluster = use.here.clusters.find(use.cluster)
    tls = use.here.clusters.tls(cluster) if cluster is not None else None
    layers = use.layers
    if tls is not None:
        host = use.sent_host if use.is_http else None
        layers = (TlsLayer(tls.sent_sni(host), use.here.name, bool(tls.certificate)), *layers)
    elif not use.is_http and not layers:
        # Whatever the client speaks: only a port where nobody listens fails for sure.
        if not _listens(found, behind):
            yield Outcome("closed", behind.proxy, _nobody(behind), Cause.NO_LISTENER)
        return
    host, _, port = behind.address.rpartition(":")
    connection = Connection(int(port), host.strip("[]"), layers, is_http=use.is_http or not layers)
    request = _request(use)
    hop = Tracer(found.proxies, depth=1).arrive(behind.proxy, request, connection)
    yield from _closings(hop)


def _request(use: Use) -> Request:
    host = use.sent_host or (use.server_names[0] if use.server_names else "")
    host = host.replace("*", "any", 1)
    return Request("GET", "http" if use.is_http else "tls", host, use.port, host, "/")


def _listens(found: Survey, behind: Behind) -> bool:
    hop = Tracer(found.proxies, depth=1).arrive(
        behind.proxy,
        Request("GET", "tcp", "", 0, "", "/"),
        Connection(int(behind.address.rpartition(":")[2]), is_http=False),
    )
    return not any(_cause(branch) is Cause.NO_LISTENER for branch in hop.branches)


def _cause(branch: Branch) -> Cause | None:
    return branch.outcome.cause if branch.outcome is not None else None


def _nobody(behind: Behind) -> str:
    return f"{behind.proxy} does not listen on port {behind.address.rpartition(':')[2]}"


def _closings(hop: Hop) -> Iterator[Outcome]:
    for branch in hop.branches:
        if branch.outcome is not None and branch.outcome.kind == "closed":
            if branch.outcome.cause in _CLOSED:
                yield branch.outcome
        elif branch.hop is not None:
            yield from _closings(branch.hop)


def _closed(found: Survey, use: Use, behind: Behind, outcome: Outcome) -> Finding:
    if use.is_http:
        effect = say(EffectCase.FAIL_AT, who=use.who, proxy=use.here.name)
    else:
        effect = say(EffectCase.CLOSED_BY, who=use.who, proxy=outcome.proxy)
    if outcome.cause is Cause.NO_LISTENER:
        message = _not_listening(found, use, behind, effect)
    else:
        message = say(_CASES[outcome.cause], effect=effect, outcome=outcome)
    return found.finding(
        Level.ERROR if use.has_rule else Level.WARNING,
        "EB0107",
        place(use),
        message,
    )


_CASES = {
    Cause.NO_FILTER_CHAIN: EffectCase.NO_FILTER_CHAIN,
    Cause.EXPECTS_TLS: EffectCase.EXPECTS_TLS,
    Cause.EXPECTS_HTTP: EffectCase.EXPECTS_HTTP,
    Cause.EXPECTS_CERTIFICATE: EffectCase.EXPECTS_CERTIFICATE,
    Cause.IDLE_CHAIN: EffectCase.IDLE_CHAIN,
    Cause.LOOP: EffectCase.LOOP,
}


def _not_listening(found: Survey, use: Use, behind: Behind, effect: Message) -> Message:
    proxy, gateway, port = use.here.name, behind.proxy, int(behind.address.rpartition(":")[2])
    warning = _idle_server(found, gateway, port)
    if warning is None:
        return say(EffectCase.NO_LISTENER, effect=effect, proxy=proxy, port=port, gateway=gateway)
    return say(
        EffectCase.IDLE_SERVER,
        effect=effect,
        proxy=proxy,
        port=port,
        gateway=gateway,
        server=found.sources.title(warning.where),
        place=warning.where,
        warning=warning,
    )


def _idle_server(found: Survey, proxy: str, port: int) -> TranslationWarning | None:
    """Find a server on *port* of *proxy* that has no route and therefore no listener."""
    for here in found.translated:
        if here.name != proxy:
            continue
        for warning in here.config.warnings:
            if warning.code == Notice.NO_LISTENER and dict(warning.data)["port"] == port:
                return warning
    return None


def place(use: Use) -> Position:
    """Give the place of a use that has one."""
    where = use.where
    if where is None:
        raise ValueError(f"nothing is noted for {use.who}")
    return where


def check_double_tls(found: Survey) -> Iterator[Finding]:
    """EB0110: a cluster starts TLS for connections that are TLS already, and a server ends one of them."""
    reported: dict[tuple[str, Position], list[Use]] = {}
    for use in found.uses:
        cluster = use.here.clusters.find(use.cluster)
        if cluster is None or not use.server_names or use.here.clusters.tls(cluster) is None:
            continue
        addresses = [each.address for each in use.here.clusters.endpoints(cluster)]
        if not addresses or any(found.proxies.gateway_behind(each, use.here) for each in addresses):
            continue
        where = use.setting(cluster, "tls")
        if where is not None:
            reported.setdefault((use.here.name, where), []).append(use)
    for (proxy, where), uses in reported.items():
        clusters = {use.cluster for use in uses}
        # Where requests leave through the same rule it does its work, and a rule of another namespace is
        # mostly meant for the gateway: then only who calls the TLS port is hit, and mostly nobody does.
        requests = (use for use in found.uses if use.is_http and use.here.name == proxy)
        is_needed = any(use.cluster in clusters for use in requests)
        is_near = any(_own_namespace(found, use, where) for use in uses)
        is_certain = any(use.has_rule for use in uses)
        yield found.finding(
            Level.WARNING if is_certain or (is_near and not is_needed) else Level.INFO,
            "EB0110",
            where,
            say(EffectCase.TLS_WITHIN_TLS, who=tuple(use.who for use in uses), proxy=proxy),
        )


def _own_namespace(found: Survey, use: Use, where: Position) -> bool:
    """Tell whether the rule at *where* stands in the namespace of the proxy itself."""
    title = found.sources.title(where)
    return any(
        rule.title == title and rule.namespace == use.here.proxy.namespace
        for rule in found.resources.destination_rules
    )


def check_plain_to_tls(found: Survey) -> Iterator[Finding]:
    """EB0111: plain HTTP, or a copy of it, goes to a port that expects TLS."""
    reported: set[tuple[str, Position]] = set()
    for use in found.uses:
        # Without a rule of the user's nothing says that anybody calls the port.
        if not use.is_http or not use.has_rule:
            continue
        cluster = use.here.clusters.find(use.cluster)
        if cluster is None or use.here.clusters.tls(cluster) is not None:
            continue
        addresses = [each.address for each in use.here.clusters.endpoints(cluster)]
        if not addresses or any(found.proxies.gateway_behind(each, use.here) for each in addresses):
            continue
        if not speaks_tls(use.here, cluster, addresses) or (use.here.name, place(use)) in reported:
            continue
        if has_originating_rule(use):
            # EB0106 says so, with the cause.
            continue
        reported.add((use.here.name, place(use)))
        yield found.finding(
            Level.WARNING,
            "EB0111",
            place(use),
            say(EffectCase.PLAIN_TO_TLS, who=use.who, proxy=use.here.name, addresses=tuple(addresses)),
        )

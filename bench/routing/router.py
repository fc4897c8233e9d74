"""Follow a request from proxy to proxy until it reaches a destination or gets an answer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bench.istio.inventory import Inventory, Proxy
from bench.istio.models import VirtualService
from bench.istio.resource import Resource, Resources
from bench.routing.catalog import Catalog, KnownServices
from bench.routing.clusters import Cluster, Clusters, Onward
from bench.routing.decision import (
    Branch,
    CannotJudgeError,
    Decision,
    Delivered,
    Hop,
    LocalAnswer,
    NoConnection,
    Outcome,
    Unjudged,
)
from bench.routing.delegates import WrittenRule, http_rules
from bench.routing.gateway import Edge, PlacedServer, gateway_listener
from bench.routing.hosts import VirtualHost, without_port
from bench.routing.kubernetes import target_port
from bench.routing.layer4 import Chains, Connection, sidecar_chains
from bench.routing.names import privacy
from bench.routing.passthrough import Passed
from bench.routing.request import Message, Request, first_message
from bench.routing.rewriting import normalized
from bench.routing.rules import ONE, Rule, Share
from bench.routing.sidecar import Listener, Mesh, sidecar_listener
from bench.routing.step import Step, check_ordinary, is_preflight, preflight_answer
from bench.routing.subsets import DestinationRules

_MOST_HOPS = 8
_NOT_LOOKED_UP = (
    "{}: {}, and only a sidecar's own listener for it, without a rule, looks server names up for their port; "
    "for TLS by a rule Envoy takes port 80. Give the name a ServiceEntry with resolution DNS"
)


def route(resources: Resources, inventory: Inventory, request: Request) -> Decision:
    """Judge one request; for many, keep a :class:`Router`."""
    return Router(resources, inventory).decide(request)


class Router:
    """The resources compiled once, for any number of requests. Listeners are compiled when first met."""

    def __init__(self, resources: Resources, inventory: Inventory) -> None:
        self._resources = resources
        self.inventory = inventory
        self._catalog = Catalog(resources, inventory)
        self._rules = DestinationRules(resources, inventory)
        # Those that only their own namespace sees come first, whatever their age.
        self._virtual_services = tuple(
            sorted(resources.virtual_services, key=lambda each: privacy(each.spec.export_to))
        )
        self._known: dict[str, tuple[KnownServices, Clusters]] = {}
        self._listeners: dict[tuple[str, int, str | None], Listener] = {}
        self._chains: dict[tuple[str, int, str], Chains] = {}
        self._written: dict[tuple[str, str], tuple[WrittenRule, ...]] = {}

    def decide(self, request: Request) -> Decision:
        """What must become of *request*. What cannot be judged is an ``Unjudged`` branch, never a guess.

        Raises:
            LookupError: the request names no proxy of the inventory, or none where it has several sidecars.
        """
        name = request.proxy or self._only_sidecar()
        if name not in self.inventory.proxies:
            raise LookupError(f"the inventory has no proxy {name!r}")
        branches: list[Branch] = []
        step = Step(name, request.port, None, first_message(request), ONE, (), request.address)
        self._follow(step, branches)
        return Decision(tuple(branches))

    def listener(self, proxy: str, port: int, sni: str | None = None) -> Listener:
        """How *proxy* listens on its real *port*: for plain text, or for TLS with *sni*."""
        key = (proxy, port, sni)
        found = self._listeners.get(key)
        if found is None:
            try:
                found = self._compile_listener(proxy, port, sni)
            except CannotJudgeError as error:
                found = Listener(None, doubt=error.reason)
            self._listeners[key] = found
        return found

    def connect(self, connection: Connection) -> Decision:
        """Where a connection leads of which no HTTP is read: what is delivered has neither Host nor path.

        Raises:
            LookupError: as of :meth:`decide`.
        """
        name = connection.proxy or self._only_sidecar()
        if name not in self.inventory.proxies:
            raise LookupError(f"the inventory has no proxy {name!r}")
        branches: list[Branch] = []
        try:
            self._connect(name, connection, ONE, (), branches)
        except CannotJudgeError as error:
            branches = [Branch(ONE, Unjudged(name, error.reason), ())]
        return Decision(tuple(branches))

    def _connect(
        self,
        name: str,
        connection: Connection,
        probability: Fraction,
        hops: tuple[Hop, ...],
        branches: list[Branch],
    ) -> None:
        if len(hops) >= _MOST_HOPS:
            raise CannotJudgeError(f"the connection still goes in circles after {_MOST_HOPS} proxies")
        passed, because = self._taken(name, connection)
        if passed is None:
            branches.append(Branch(probability, NoConnection(name, because), hops))
            return
        hops = (*hops, Hop(name, passed.why))
        for share in passed.shares:
            cluster, part = _passed_onward(share.cluster, passed, connection), probability * share.probability
            if cluster.doubt:
                raise CannotJudgeError(cluster.doubt)
            if cluster.destination is None:
                branches.append(Branch(part, NoConnection(name, f"{cluster.name}: {cluster.why}"), hops))
            elif cluster.next_proxies:
                port = cluster.destination.endpoints[0].port
                onward = replace(connection, port=port, address="", around=self._sni(cluster, ""))
                self._connect(cluster.next_proxies[0], onward, part, hops, branches)
            elif cluster.tls_mode != "DISABLE" and connection.sni is not None:
                why = f"{cluster.name} gets TLS around the client's own, which its server does not expect"
                branches.append(Branch(part, NoConnection(name, why), hops))
            else:
                branches.append(Branch(part, Delivered(cluster.destination, "", ""), hops))

    def _taken(self, name: str, connection: Connection) -> tuple[Passed | None, str]:
        proxy = self.inventory.proxies[name]
        if proxy.role == "gateway":
            listener = self.listener(name, connection.port, connection.outer_sni)
            if listener.doubt or listener.table is not None:
                raise CannotJudgeError(listener.doubt or f"{name} reads HTTP there")
            is_wrapped = connection.around is not None
            if listener.passed is not None and listener.ends_tls is not is_wrapped:
                raise CannotJudgeError(f"{name} {'passes TLS of a proxy on' if is_wrapped else 'ends TLS'}")
            return listener.passed, listener.refused_because
        services, clusters = self._knowledge(name, proxy)
        mesh = Mesh(self.inventory, proxy, services, clusters, self._virtual_services, self._http_rules)
        key = (name, connection.port, connection.address)
        if key not in self._chains:
            self._chains[key] = sidecar_chains(mesh, connection)
        chain = self._chains[key].find(connection.sni)
        if chain is None and self.inventory.outbound == "ALLOW_ANY":
            raise CannotJudgeError("ALLOW_ANY: it goes to the address that the client dialled")
        return (chain.passed, "") if chain is not None else (None, "no service and no rule takes it")

    def http_ports(self, proxy: str) -> tuple[int, ...]:
        """The real ports on which a proxy takes plain HTTP, in ascending order."""
        this = self.inventory.proxies[proxy]
        if this.role == "sidecar":
            services, _ = self._knowledge(proxy, this)
            ports = {port for service in services.all for port in service.ports}
        else:
            numbers = {
                server.port.number for gateway in self._resources.gateways for server in gateway.spec.servers
            }
            targets = [target_port(self._resources, self.inventory, this, number) for number in numbers]
            ports = {port for port in targets if isinstance(port, int)}
        return tuple(port for port in sorted(ports) if self.listener(proxy, port).table is not None)

    def _only_sidecar(self) -> str:
        names = [name for name, proxy in self.inventory.proxies.items() if proxy.role == "sidecar"]
        if len(names) != 1:
            raise LookupError(f"the inventory has {len(names)} sidecars: the request must name its proxy")
        return names[0]

    def _compile_listener(self, name: str, port: int, sni: str | None) -> Listener:
        proxy = self.inventory.proxies[name]
        services, clusters = self._knowledge(name, proxy)
        virtual_services = self._virtual_services
        if proxy.role == "sidecar":
            mesh = Mesh(self.inventory, proxy, services, clusters, virtual_services, self._http_rules)
            return sidecar_listener(mesh, port)
        servers = tuple(self._servers(proxy, port))
        edge = Edge(self.inventory, proxy, services, clusters, virtual_services, self._http_rules, servers)
        return gateway_listener(edge, port, sni)

    def _knowledge(self, name: str, proxy: Proxy) -> tuple[KnownServices, Clusters]:
        if name not in self._known:
            services = self._catalog.seen_by(proxy)
            self._known[name] = services, Clusters(self.inventory, proxy, services, self._rules)
        return self._known[name]

    def _http_rules(self, resource: Resource[VirtualService]) -> tuple[WrittenRule, ...]:
        key = (resource.namespace, resource.name)
        if key not in self._written:
            self._written[key] = tuple(http_rules(resource, self._resources.virtual_services))
        return self._written[key]

    def _servers(self, proxy: Proxy, port: int) -> list[PlacedServer]:
        found = []
        for resource in self._resources.gateways:
            if not resource.spec.selector.items() <= proxy.labels.items():
                continue
            for index, server in enumerate(resource.spec.servers):
                target = target_port(self._resources, self.inventory, proxy, server.port.number)
                if isinstance(target, str):
                    raise CannotJudgeError(f"the named target port {target} of a Service is not known")
                if port == target:
                    found.append(PlacedServer(resource, server, index))
        return found

    def _follow(self, step: Step, branches: list[Branch]) -> None:
        try:
            self._follow_judged(step, branches)
        except CannotJudgeError as error:
            branches.append(Branch(step.probability, Unjudged(step.proxy, error.reason), step.hops))

    def _follow_judged(self, step: Step, branches: list[Branch]) -> None:
        if len(step.hops) >= _MOST_HOPS:
            raise CannotJudgeError(f"the request still goes in circles after {_MOST_HOPS} proxies")
        listener = self.listener(step.proxy, step.port, step.sni)
        if listener.passed is not None:
            is_tls = step.sni is not None and not listener.ends_tls
            self._pass_on(step, listener.passed, branches, is_tls=is_tls)
            return
        if listener.table is None:
            if listener.doubt:
                raise CannotJudgeError(listener.doubt)
            branches.append(step.end(NoConnection(step.proxy, listener.refused_because)))
            return
        message = step.message
        check_ordinary(message)
        message.path = normalized(message.path)
        self._set_scheme(step)
        host = listener.table.find(message.host)
        if host is None:
            branches.append(
                step.end(LocalAnswer(404, step.proxy, f"no virtual host takes {message.host!r}", "NR"))
            )
        elif host.doubt:
            raise CannotJudgeError(host.doubt)
        elif host.requires_tls and message.scheme != "https":
            query = f"?{message.query}" if message.query else ""
            where = f"https://{message.host}{message.path}{query}"
            why = f"{host.title} asks for HTTPS"
            branches.append(step.end(LocalAnswer(301, step.proxy, why, "", location=where)))
        else:
            self._apply(step, host, branches)

    def _pass_on(self, step: Step, passed: Passed, branches: list[Branch], *, is_tls: bool) -> None:
        here = replace(step, hops=(*step.hops, Hop(step.proxy, passed.why)))
        for share in passed.shares:
            part = here.with_probability(here.probability * share.probability)
            cluster = share.cluster if share.cluster.onward is None else share.cluster.led_to("", 0)
            if cluster.destination is None or cluster.doubt or cluster.next_proxies:
                reason = cluster.doubt or cluster.why or "it leads to another gateway"
                branches.append(part.end(Unjudged(step.proxy, f"{passed.why}: {reason}")))
            elif cluster.tls_mode != "DISABLE" and is_tls:
                reason = f"{passed.why}: {cluster.name} puts TLS around TLS"
                branches.append(part.end(Unjudged(step.proxy, reason)))
            else:
                seen = Delivered(cluster.destination, step.message.host, step.message.path)
                branches.append(part.end(seen))

    def _set_scheme(self, step: Step) -> None:
        message = step.message
        if self.inventory.proxies[step.proxy].role == "gateway":
            message.scheme = "http" if step.sni is None else "https"
        else:
            reported = message.headers.get("x-forwarded-proto", ("",))[0].lower()
            message.scheme = reported if reported in ("http", "https") else "http"

    def _apply(self, step: Step, host: VirtualHost, branches: list[Branch]) -> None:
        message = step.message
        rule = next((rule for rule in host.rules if rule.matcher.matches(message)), None)
        if rule is None:
            why = f"no rule of {host.title} takes this request"
            branches.append(step.end(LocalAnswer(404, step.proxy, why, "NR")))
            return
        if rule.doubt:
            raise CannotJudgeError(rule.doubt)
        step = step.through(rule)
        if rule.abort is not None:
            aborted = step.with_probability(step.probability * rule.abort.probability)
            outcome: Outcome = (
                Unjudged(step.proxy, rule.abort.doubt)
                if rule.abort.doubt
                else LocalAnswer(rule.abort.status, step.proxy, f"fault injected by {rule.why}", "FI")
            )
            branches.append(aborted.end(outcome))
            rest = ONE - rule.abort.probability
            if not rest:
                return
            step = step.with_probability(step.probability * rest)
        if rule.cors is not None and is_preflight(message):
            branches.append(step.end(preflight_answer(step.proxy, rule, rule.cors, message)))
        elif rule.redirect is not None:
            location = rule.redirect.location(message)
            branches.append(
                step.end(LocalAnswer(rule.redirect.status, step.proxy, rule.why, location=location))
            )
        elif rule.direct_status is not None:
            answer = LocalAnswer(rule.direct_status, step.proxy, rule.why, body=rule.direct_body)
            branches.append(step.end(answer))
        else:
            only = len(rule.shares) == 1
            for share in rule.shares:
                self._send(step, rule, share, branches, is_last=only)

    def _send(self, step: Step, rule: Rule, share: Share, branches: list[Branch], *, is_last: bool) -> None:
        cluster = share.cluster
        part = step if is_last else step.with_probability(step.probability * share.probability)
        if cluster.doubt:
            branches.append(part.end(Unjudged(step.proxy, f"{rule.why}: {cluster.doubt}")))
            return
        if cluster.destination is None:
            why = f"{rule.why} sends it to {cluster.name}, but {cluster.why}"
            branches.append(part.end(LocalAnswer(503, step.proxy, why, cluster.flag)))
            return
        message = step.message if is_last else step.message.copy()
        if share.change is not None:
            share.change.apply(message)
        if rule.change is not None:
            rule.change.apply(message)
        message.host = share.host or rule.host or message.host
        if rule.path is not None:
            message.path = rule.path(message.path)
            if "?" in message.path or "#" in message.path or not message.path.startswith("/"):
                raise CannotJudgeError(f"{rule.why} rewrites the path to {message.path!r}")
        if cluster.onward is not None:
            cluster = _sent_onward(cluster, step, message)
            if cluster.doubt:
                branches.append(part.end(Unjudged(step.proxy, f"{rule.why}: {cluster.doubt}")))
                return
        if not cluster.next_proxies:
            assert cluster.destination is not None  # noqa: S101
            delivered = Delivered(cluster.destination, message.host, message.path)
            branches.append(part.end(delivered))
            return
        self._next(part, cluster, message, branches)

    def _next(self, step: Step, cluster: Cluster, message: Message, branches: list[Branch]) -> None:
        sni = self._sni(cluster, without_port(message.host.lower()))
        assert cluster.destination is not None  # noqa: S101
        port = cluster.destination.endpoints[0].port
        names = tuple(dict.fromkeys(cluster.next_proxies))
        proxies = [self.inventory.proxies[name] for name in names]
        if len({(proxy.namespace, tuple(sorted(proxy.labels.items()))) for proxy in proxies}) > 1:
            raise CannotJudgeError(f"the gateways {', '.join(names)} behind {cluster.name} differ")
        listener = self.listener(names[0], port, sni)
        if listener.table is None and listener.passed is None and not listener.doubt:
            why = f"{cluster.name} leads to {names[0]} port {port}, but {listener.refused_because}"
            branches.append(step.end(LocalAnswer(503, step.proxy, why, "UF")))
            return
        self._follow(Step(names[0], port, sni, message, step.probability, step.hops), branches)

    def _sni(self, cluster: Cluster, host: str) -> str | None:
        """What the proxy asks for in TLS of its own; *host*: what the request within calls, if it is HTTP."""
        if cluster.tls_mode == "DISABLE":
            return None
        if cluster.sni:
            return cluster.sni
        if cluster.tls_mode == "ISTIO_MUTUAL" and cluster.destination is not None:
            target = cluster.destination
            return f"outbound_.{target.port}_.{target.subset}_.{target.host}"
        return "" if self.inventory.semantics == "istio-1.0" else host


def _passed_onward(cluster: Cluster, passed: Passed, connection: Connection) -> Cluster:
    """Where the address that was dialled, or the server name, leads a connection of which no HTTP is read."""
    match cluster.onward:
        case None:
            return cluster
        case Onward.DIALLED:
            return cluster.led_to(connection.address, connection.port)
    if not passed.is_own:
        raise CannotJudgeError(_NOT_LOOKED_UP.format(passed.why, cluster.why))
    return cluster.led_to(connection.sni or "", connection.port)


def _sent_onward(cluster: Cluster, step: Step, message: Message) -> Cluster:
    """Where the address that was dialled, or the Host header as it is sent on, leads."""
    if cluster.onward is Onward.DIALLED:
        return cluster.led_to(step.address, step.port)
    host = message.host.lower()
    name = without_port(host)
    port = host.removeprefix(name).removeprefix(":")
    if port and not port.isdecimal():
        raise CannotJudgeError(f"the port of {message.host!r} is none")
    return cluster.led_to(name, int(port) if port else 80 if cluster.tls_mode == "DISABLE" else 443)

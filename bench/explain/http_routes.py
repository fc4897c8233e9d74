"""The way of a request through an HTTP connection manager: virtual host, route, and what the route does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from envoy_data_plane.envoy.config.route.v3 import (
    Route,
    RouteAction,
    RouteConfiguration,
    VirtualHost,
    WeightedClusterClusterWeight,
)

from bench.errors import Position
from bench.explain.answers import (
    answers_preflight,
    fault_of,
    percent,
    phrase,
    redirect,
    share_of,
    tls_redirect,
)
from bench.explain.changes import describe_changes, sent_on
from bench.explain.matching import describe_match, route_mismatches
from bench.explain.proxies import TranslatedProxy
from bench.explain.request import Request
from bench.explain.trace import Branch, Cause, Origin, Outcome, Step
from bench.explain.upstream import Leg, Upstream
from bench.explain.virtual_hosts import BLACKHOLE, asked_host, find_virtual_host, near_domains

_MOST_REASONS = 12
"""Routes passed over that are explained one by one."""


@dataclass(frozen=True, slots=True)
class HttpRoutes:
    """One proxy looks at one request."""

    here: TranslatedProxy
    upstream: Upstream

    def follow(
        self, config: RouteConfiguration | None, name: str, request: Request, *, has_tls: bool
    ) -> tuple[list[Step], list[Branch]]:
        """Give the steps up to the route, and the ways from there."""
        if config is None:
            return [Step("route configuration", f"{name}, which does not exist")], [
                self._not_found(Cause.NO_ROUTE, "no routes")
            ]
        steps = [Step("route configuration", name)]
        found = find_virtual_host(config, request)
        if found is None:
            host = asked_host(config, request)
            near = near_domains(config, request.host)
            alike = (
                f"alike: {', '.join(near)}"
                if near
                else f"{len(config.virtual_hosts)} virtual hosts, none alike"
            )
            steps.append(Step("virtual host", f"none has a domain for {host}", notes=(alike,)))
            return steps, [self._not_found(Cause.NO_VIRTUAL_HOST, f"no virtual host for {host}")]
        virtual_host, domain = found
        text = f'{virtual_host.name}, by its domain "{domain}"'
        steps.append(Step("virtual host", text, self._declared_by(virtual_host)))
        location = tls_redirect(virtual_host, request, has_tls=has_tls)
        if location is not None:
            reason = "the host is served by TLS only (httpsRedirect)"
            outcome = Outcome("answer", self.here.name, reason, Cause.REDIRECT, status=301, location=location)
            return steps, [Branch(1.0, (), outcome)]
        return self._routes(virtual_host, request, steps)

    def _declared_by(self, virtual_host: VirtualHost) -> tuple[Origin, ...]:
        known = self.here.config.origins
        noted = list(known.all_of(virtual_host))
        if noted:
            return self.here.sources.origins(noted)
        # A sidecar's: one VirtualService speaks for a host, and the host comes from the service's port.
        places: dict[str, Position] = {}
        for route in virtual_host.routes:
            places.update(known.of(route))
            if places:
                break
        host, _, port = virtual_host.name.rpartition(":")
        if port.isdecimal():
            places |= self.here.service_places(host, int(port))
        return self.here.sources.origins(places)

    def _caused_by(self, route: Route) -> tuple[Origin, ...]:
        return self.here.sources.origins(self.here.config.origins.of(route))

    def _routes(
        self, virtual_host: VirtualHost, request: Request, steps: list[Step]
    ) -> tuple[list[Step], list[Branch]]:
        passed: list[str] = []
        for number, route in enumerate(virtual_host.routes, start=1):
            reasons = list(route_mismatches(route.match, request))
            if reasons:
                passed.append(f"not route {number}{_named(route)}: {'; '.join(reasons)}")
                continue
            origins = self._caused_by(route)
            text = f"{number} of {len(virtual_host.routes)}{_named(route)}: {describe_match(route.match)}"
            steps.append(Step("route", text, origins, _shortened(passed)))
            return steps, self._take(virtual_host, route, request)
        notes = _shortened(passed) or ("the virtual host has no routes",)
        steps.append(Step("route", "none matches", notes=notes))
        return steps, [self._not_found(Cause.NO_ROUTE, "no route of the virtual host matches")]

    def _not_found(self, cause: Cause, reason: str) -> Branch:
        return Branch(1.0, (), Outcome("answer", self.here.name, reason, cause, status=404, flags="NR"))

    def _take(self, virtual_host: VirtualHost, route: Route, request: Request) -> list[Branch]:
        fault = fault_of(route)
        if fault is None:
            return self._answer_or_act(virtual_host, route, request, 1.0)
        origins = self._caused_by(route)
        branches: list[Branch] = []
        aborted = fault.aborted if fault.status else 0.0
        if aborted:
            step = Step("fault", f"{percent(aborted)} are answered {phrase(fault.status)}", origins)
            outcome = Outcome(
                "answer", self.here.name, "an injected fault", Cause.FAULT, status=fault.status, flags="FI"
            )
            branches.append(Branch(aborted, (step,), outcome))
        if aborted < 1:
            branches += self._answer_or_act(virtual_host, route, request, 1.0 - aborted)
        if not fault.delayed:
            return branches
        step = Step("fault", f"{percent(fault.delayed)} wait {fault.delay_s:g} s", origins)
        late = [_delayed(branch, fault.delayed, step) for branch in branches]
        if fault.delayed >= 1:
            return late
        return late + [replace(each, probability=each.probability * (1 - fault.delayed)) for each in branches]

    def _answer_or_act(
        self, virtual_host: VirtualHost, route: Route, request: Request, rest: float
    ) -> list[Branch]:
        preflight = answers_preflight(route, request)
        if preflight is not None:
            return [
                Branch(rest, (), Outcome("answer", self.here.name, preflight, Cause.PREFLIGHT, status=200))
            ]
        return self._act(virtual_host, route, request, rest, [])

    def _act(
        self, virtual_host: VirtualHost, route: Route, request: Request, rest: float, steps: list[Step]
    ) -> list[Branch]:
        if route.redirect is not None:
            status, location = redirect(route.redirect, route, request)
            reason = f"a redirect to {location}"
            outcome = Outcome(
                "answer", self.here.name, reason, Cause.REDIRECT, status=status, location=location
            )
            return [Branch(rest, tuple(steps), outcome)]
        if route.direct_response is not None:
            cause, reason = Cause.DIRECT_RESPONSE, "a direct response"
            if virtual_host.name == "block_all":
                cause = Cause.UNKNOWN_HOST
                reason = "the host is unknown here, and unknown hosts are not let out (REGISTRY_ONLY)"
            elif virtual_host.name.startswith(BLACKHOLE):
                cause = Cause.NO_VIRTUAL_HOST
                reason = "no VirtualService is bound to this port of the gateway"
            status = route.direct_response.status or 0
            outcome = Outcome("answer", self.here.name, reason, cause, status=status)
            return [Branch(rest, tuple(steps), outcome)]
        action = route.route
        if action is None:
            return [self._not_found(Cause.NO_ROUTE, "the route does nothing")]
        origins = self._caused_by(route)
        steps = [*steps, *self._mirrors(action, origins), Step("limits", describe_limits(action), origins)]
        return self._forward(route, action, request, rest, steps)

    def _forward(
        self, route: Route, action: RouteAction, request: Request, rest: float, steps: list[Step]
    ) -> list[Branch]:
        if action.weighted_clusters is None:
            return self._send(route, action, None, Leg(request, rest, is_http=True), steps)
        shares = action.weighted_clusters.clusters
        total = sum(share.weight or 0 for share in shares)
        branches: list[Branch] = []
        for share in shares:
            if share.weight and total:
                leg = Leg(request, rest * share.weight / total, is_http=True)
                branches += self._send(route, action, share, leg, steps)
        return branches

    def _send(
        self,
        route: Route,
        action: RouteAction,
        share: WeightedClusterClusterWeight | None,
        leg: Leg,
        steps: list[Step],
    ) -> list[Branch]:
        changed = sent_on(leg.request, route, action, share)
        changes = describe_changes(leg.request, changed)
        if changes:
            steps = [*steps, Step("change", "; ".join(changes), self._caused_by(route))]
        cluster = share.name if share is not None else action.cluster or ""
        return self.upstream.branches(cluster, replace(leg, request=changed), steps)

    def _mirrors(self, action: RouteAction, origins: tuple[Origin, ...]) -> list[Step]:
        found: list[Step] = []
        for mirror in action.request_mirror_policies:
            fraction = mirror.runtime_fraction
            share = 1.0 if fraction is None else share_of(fraction.default_value)
            text = f"{percent(share)} are copied to {mirror.cluster}"
            found.append(Step("mirror", text, origins, self.upstream.fate_of_copies(mirror.cluster or "")))
        return found


def _delayed(branch: Branch, share: float, step: Step) -> Branch:
    """Give the branch for the requests that wait first; Envoy notes that as DI."""
    outcome = branch.outcome
    if outcome is not None:
        outcome = replace(outcome, flags=f"DI,{outcome.flags}" if outcome.flags else "DI")
    return replace(
        branch, probability=branch.probability * share, steps=(step, *branch.steps), outcome=outcome
    )


def _named(route: Route) -> str:
    return f' "{route.name}"' if route.name else ""


def _shortened(reasons: list[str]) -> tuple[str, ...]:
    if len(reasons) <= _MOST_REASONS:
        return tuple(reasons)
    return (*reasons[:_MOST_REASONS], f"and {len(reasons) - _MOST_REASONS} more routes that do not match")


def describe_limits(action: RouteAction) -> str:
    """Put timeout and retries of a route into words."""
    seconds = action.timeout.total_seconds() if action.timeout is not None else 15.0
    text = f"timeout {seconds:g} s" if seconds else "no timeout"
    policy = action.retry_policy
    if policy is None:
        return f"{text}, no retries"
    tries = 1 if policy.num_retries is None else policy.num_retries
    text += f", up to {tries} retries on {policy.retry_on}"
    if policy.per_try_timeout is not None:
        text += f", each within {policy.per_try_timeout.total_seconds():g} s"
    return text

"""The third opinion: what ``check`` says of requests, held against where the two others lead them."""

import re
from collections import Counter
from dataclasses import dataclass, field

from bench.check import Level, RuleCase
from bench.check.effects.find import find_effects
from bench.check.rules.analyze import analyze
from bench.check.rules.references import route_references
from bench.check.rules.surroundings import Surroundings
from bench.istio.hosts import covers
from bench.istio.registry import build_registry
from bench.routing.decision import LocalAnswer

RULE_OF_HOP = re.compile(r"VirtualService default/(\S+), http\[(\d+)\].* \((\S+)\)")
CODES = ("IST0101", "IST0109", "IST0130", "IST0131", "IST0132", "IST0173", "EB0009", "EB0104")
"""What the generated resources must give the analyzer reason to say."""
BROKEN = {"NC", "UH"}


@dataclass(frozen=True)
class Place:
    """One match of one rule, as both other opinions name it; a rule without matches has number None."""

    service: str
    rule: int
    match: int | None

    @property
    def whole(self):
        return self.service, self.rule


@dataclass
class Claims:
    """What follows from the findings for single requests."""

    dead_rules: dict = field(default_factory=dict)
    """Service and rule -> code: never taken."""
    dead_matches: dict = field(default_factory=dict)
    """Place -> code: never taken."""
    ignored: dict = field(default_factory=dict)
    """Service -> hosts for which sidecars ignore it."""
    not_served: set = field(default_factory=set)
    """Services that no gateway takes any host of."""
    hidden: set = field(default_factory=set)
    """Place, host and proxy: there a rule of another resource takes all of its requests."""
    flags: dict = field(default_factory=dict)
    """Service and rule -> for each destination with a weight, NC, UH or nothing."""
    codes: Counter = field(default_factory=Counter)
    """How many findings the claims are made of."""


def claims_of(resources, inventory):
    """Analyze, and turn into claims every finding that says what becomes of requests."""
    findings = [
        *analyze(Surroundings(resources, inventory)),
        *find_effects(build_registry(resources, inventory), resources),
    ]
    claims = Claims()
    _note_services(claims, resources, _Said(findings))
    _note_rules(claims, resources, _Said(findings))
    _note_destinations(claims, resources, _Said(findings))
    _note_hidden(claims, resources, findings)
    return claims


class _Said:
    """Findings by code and place."""

    def __init__(self, findings):
        self._at = {(each.code, each.resource, each.position): each for each in findings}
        self.empty_subsets = [
            (each.resource, dict(each.message.data)["subset"]) for each in findings if each.code == "IST0173"
        ]

    def of(self, code, resource, *path):
        return self._at.get((code, resource.title, resource.position(("spec", *path))))


def _note_services(claims, resources, said):
    mesh = [each for each in resources.virtual_services if not each.spec.gateways]
    for service in resources.virtual_services:
        shared = said.of("IST0109", service, "hosts")
        if shared is not None and dict(shared.message.data)["fate"].case is RuleCase.OLDER:
            before = {host for each in mesh if each.order < service.order for host in each.spec.hosts}
            claims.ignored[service.name] = set(service.spec.hosts) & before
            claims.codes["IST0109"] += 1
        if service.spec.gateways and said.of("IST0132", service, "gateways", 0):
            claims.not_served.add(service.name)
            claims.codes["IST0132"] += 1


def _note_rules(claims, resources, said):
    for service in resources.virtual_services:
        for number, rule in enumerate(service.spec.http):
            if said.of("IST0130", service, "http", number):
                claims.dead_rules[service.name, number] = "IST0130"
                claims.codes["IST0130"] += 1
            for index in range(len(rule.match)):
                for code in ("IST0131", "EB0009"):
                    if said.of(code, service, "http", number, "match", index):
                        claims.dead_matches[Place(service.name, number, index)] = code
                        claims.codes[code] += 1


def _note_destinations(claims, resources, said):
    hosts = {rule.title: rule.spec.host for rule in resources.destination_rules}
    empty = [(hosts[rule], subset) for rule, subset in said.empty_subsets]
    for service in resources.virtual_services:
        for reference in route_references(service.spec):
            _, _, number, _, index, _ = reference.path
            routes, target = service.spec.http[number].route, reference.destination
            if len(routes) > 1 and not routes[index].weight:
                continue
            spots = (("host",), ("port", "number"), ("subset",))
            lost = [said.of("IST0101", service, *reference.path[1:], *spot) for spot in spots]
            code = flag = ""
            if any(each is not None and each.level is Level.ERROR for each in lost):
                code, flag = "IST0101", "NC"
            elif any(covers(host, target.host) and subset == target.subset for host, subset in empty):
                code, flag = "IST0173", "UH"
            claims.codes[code] += 1
            claims.flags.setdefault((service.name, number), []).append(flag)


def _note_hidden(claims, resources, findings):
    rules = {
        service.position(("spec", "http", number)): (service.name, number, rule)
        for service in resources.virtual_services
        for number, rule in enumerate(service.spec.http)
    }
    for found in findings:
        if found.code == "EB0104":
            data = dict(found.message.data)
            name, number, rule = rules[found.position]
            # Said of one route: of a rule with several matches it is not said which.
            if len(rule.match) < 2:
                host = data["host"].rpartition(":")[0]
                claims.hidden.add((Place(name, number, 0 if rule.match else None), host, data["proxy"]))
                claims.codes["EB0104"] += 1


def place_of_hop(why, resources):
    """What routing says it took; None where no rule was written."""
    reported = RULE_OF_HOP.fullmatch(why)
    if reported is None:
        assert not why.startswith("VirtualService"), why
        return None
    service = next(each for each in resources.virtual_services if each.name == reported[1])
    rule = int(reported[2])
    for index in range(len(service.spec.http[rule].match)):
        if str(service.position(("spec", "http", rule, "match", index))) == reported[3]:
            return Place(service.name, rule, index)
    return Place(service.name, rule, None)


def place_of_route(name):
    """What Envoy says it took, from the names that ``generated`` gives; None for a route of no rule."""
    reported = re.fullmatch(r"(.+)#(\d+)(?:\.m(\d+))?", name or "")
    return reported and Place(
        reported[1], int(reported[2]), None if reported[3] is None else int(reported[3])
    )


@dataclass(frozen=True)
class Taken:
    """One rule that one proxy took, with the flags of what came of it there; None: it went on."""

    proxy: str
    place: Place
    flags: frozenset


def taken_by_routing(decision, resources):
    """Every rule on the way, and which of its destinations are not there; over all branches."""
    found = {}
    for branch in decision.branches:
        for number, hop in enumerate(branch.hops, 1):
            place = place_of_hop(hop.why, resources)
            if place is None:
                continue
            ended = number == len(branch.hops) and isinstance(branch.outcome, LocalAnswer)
            flag = branch.outcome.flag if ended and branch.outcome.by == hop.proxy else ""
            found.setdefault((hop.proxy, place), set()).add(flag if flag in BROKEN else "")
    return [Taken(*key, frozenset(flags)) for key, flags in found.items()]


def taken_by_envoy(lines):
    """The same of one request's lines in the access logs, by proxy."""
    found = []
    for proxy, line in lines.items():
        place = place_of_route(line["route"])
        if place is not None:
            flags = BROKEN & set((line["flags"] or "-").split(","))
            found.append(Taken(proxy, place, frozenset(flags or {""})))
    return found


def contradictions(claims, request, routed, real):
    """Sentences on what the analyzer says of one request and the others do not, or of the two others.

    Without *real*, no proxy was asked.
    """
    wrong = []
    host = request.host.partition(":")[0].rstrip(".").lower()
    rewritten = len({taken.proxy for taken in routed}) > 1
    for who, all_taken in (("routing", routed), ("Envoy", real or ())):
        for taken in all_taken:
            place, at = taken.place, f"{who} takes {taken.place} at {taken.proxy}"
            if place.whole in claims.dead_rules:
                wrong.append(f"{at}, {claims.dead_rules[place.whole]} says never")
            if place in claims.dead_matches:
                wrong.append(f"{at}, {claims.dead_matches[place]} says never")
            if taken.proxy == "client" and host in claims.ignored.get(place.service, ()):
                wrong.append(f"{at} for {host}, IST0109 says ignored")
            if place.service in claims.not_served and taken.proxy != "client":
                wrong.append(f"{at}, IST0132 says that no gateway has its hosts")
            if (place, host, taken.proxy) in claims.hidden and not rewritten:
                wrong.append(f"{at} for {host}, EB0104 says never")
            reported = set(claims.flags.get(place.whole, [""]))
            # Envoy picks one destination, routing knows all of them.
            fits = taken.flags == reported if who == "routing" else taken.flags <= reported
            if not fits:
                wrong.append(f"{at} with {sorted(taken.flags)}, the analyzer says {sorted(reported)}")
    if real is not None and {taken.proxy for taken in routed} - {taken.proxy for taken in real} == {"client"}:
        wrong.append("no access log has it")
    known = {(taken.proxy, taken.place) for taken in routed}
    wrong += [
        f"Envoy takes {taken.place} at {taken.proxy}, routing {sorted(map(str, known))}"
        for taken in real or ()
        if (taken.proxy, taken.place) not in known
    ]
    return wrong

"""TLS and TCP clients on generated resources: routing, explain on the translation and real Envoys must agree.

``python -m tests.routing.layer4 CASES [FIRST_SEED]`` tries that many (``make generated-connections``).
"""

import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import InputError
from bench.explain.connections import Connection as Opened
from bench.explain.connections import TlsLayer
from bench.explain.proxies import Proxies
from bench.explain.request import parse_request
from bench.explain.resources import Sources
from bench.explain.trace import Trace
from bench.explain.tracer import Tracer
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.routing.decision import Delivered, NoConnection
from bench.routing.layer4 import Connection
from bench.routing.router import Router
from tests.explain.client import Target
from tests.explain.reality import Call
from tests.explain.samples import Sample
from tests.explain.world import running
from tests.routing.generated_layer4 import INVENTORY, NAMES, generate

_TRIES = 3


@dataclass
class Tally:
    """What was tried, what came of it, and every disagreement."""

    cases: int = 0
    outcomes: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)


def by_routing(router, connection):
    """Every endpoint that may answer; none when the connection is closed on one of its ways."""
    decision = router.connect(connection)
    if not decision.is_judged:
        return None
    found = set()
    for branch in decision.branches:
        if isinstance(branch.outcome, Delivered):
            found |= {f"{each.address}:{each.port}" for each in branch.outcome.destination.endpoints}
        else:
            assert isinstance(branch.outcome, NoConnection)
            found.add("closed")
    return frozenset(found)


def by_explain(trace):
    """The same of the translated configuration."""
    found = set()
    for ending in trace.endings():
        if ending.outcome.kind == "endpoint":
            found |= {each.address for each in ending.outcome.endpoints}
        else:
            found.add("closed")
    return frozenset(found)


def try_seed(seed, tally, *, most, root=None):
    """Try the connections of one set; with *root* real Envoys run there, too."""
    try:
        resources = load_text(generate(seed), f"seed-{seed}")
    except InputError:
        return  # Istio's own validation refuses such a set: nothing to agree about.
    inventory = Inventory.model_validate(INVENTORY)
    registry = build_registry(resources, inventory)
    router = Router(resources, inventory)
    if root is None:
        _try(seed, registry, resources, router, tally, most=most, world=None)
        return
    with running(registry, root) as world:
        _try(seed, registry, resources, router, tally, most=most, world=world)


def _try(seed, registry, resources, router, tally, *, most, world):
    sockets = sorted(
        {
            (address, port.number)
            for service in registry.services
            for port in service.ports
            for address in (service.addresses or ("",))
        }
    )
    cases = [(address, port, sni) for address, port in sockets for sni in (*NAMES, None)]
    for address, port, sni in cases[:most]:
        connection = Connection(port, address, sni, "client")
        routed = by_routing(router, connection)
        trace = _explained(registry, resources, connection)
        explained = by_explain(trace)
        tally.cases += 1
        kind = "unjudged" if routed is None else "closed" if routed == {"closed"} else "delivered"
        tally.outcomes[kind] += 1
        if routed is not None and routed != explained:
            tally.wrong.append(f"seed {seed} {connection}: routing {set(routed)}, explain {set(explained)}")
        if world is not None:
            _call(world, trace, connection, explained, tally, seed=seed)


def _explained(registry, resources, connection):
    """What explain says of a connection to that very address, whatever the name inside represents."""
    host = connection.sni or "no-name.test"
    scheme = "http" if connection.sni is None else "https"
    request = parse_request(f"{scheme}://{host}:{connection.port}/", (), "GET")
    layers = () if connection.sni is None else (TlsLayer(connection.sni),)
    address = connection.address or "198.51.100.200"
    proxies = Proxies(registry, Sources(resources, registry.services))
    hop = Tracer(proxies).arrive("client", request, Opened(connection.port, address, layers))
    return Trace(request, hop)


def _call(world, trace, connection, explained, tally, *, seed):
    """Send it for real: HTTP inside, which the endpoint answers with 200."""
    sockets = world.listeners["client"]
    port = sockets.get((connection.address, connection.port)) or sockets.get(("0.0.0.0", connection.port))
    if port is None:
        return
    sample = Sample(connection.port, connection.sni or "no-name.test", tls=connection.sni is not None)
    if connection.sni == "":
        return  # Python's TLS client sends a name wherever it has one.
    # A TCP connection has no id in the logs: on a busy machine its neighbour's line may be read for it.
    # Envoy decides the same way each time, so what disagrees does so again.
    for attempt in range(_TRIES):
        call = Call(world, sample, f"c{tally.cases}-{attempt}", list(trace.endings()))
        seen = call.send(Target(port))
        if _agrees(seen, explained, world):
            return
    tally.wrong.append(f"seed {seed} {connection}: explain {set(explained)}, a real Envoy {seen}")


def _agrees(seen, explained, world):
    answered = seen.status == 200
    if explained == {"closed"}:
        return not answered
    if "closed" in explained:
        return True
    return answered and seen.endpoint in {world.real(each) for each in explained}


def main(arguments):
    """Try until that many cases are done; exit code 1 when any disagree."""
    wanted, seed = int(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 0
    tally = Tally()
    while tally.cases < wanted:
        with tempfile.TemporaryDirectory() as folder:
            try_seed(seed, tally, most=wanted - tally.cases, root=Path(folder))
        seed += 1
    summary = f"{tally.cases} connections, {dict(tally.outcomes)}, {len(tally.wrong)} disagreement(s)"
    sys.stdout.write("\n".join([*tally.wrong, summary, ""]))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Which controls of the gateway are asked together, and what is judged of each: with played pods."""

from types import SimpleNamespace

from bench.headers import ID_HEADER, NODE_HEADER
from bench.verify.calls import Answer, Call
from bench.verify.upstream_probes import _TRIES, Probe, Prober, Refusals, apart


def probe(name, *clusters, client="client", by="egress"):
    request = SimpleNamespace(name=name, client=client, expect=SimpleNamespace(status=200))
    return Probe(request, Call(f"http://{name}/"), by, frozenset(clusters or (f"outbound|443||{name}",)))


class World:
    """A gateway that refuses what goes to some clusters, and the pods that call through it."""

    def __init__(self, *probes, refusing=(), odd=()):
        self.by_url = {each.call.url: each for each in probes}
        self.refusing = set(refusing)
        self.odd = dict(odd)
        """Answers that come first, by name."""
        self.counted = {}
        self.batches = []
        self.waited = []

    def caller(self, client):
        def call(calls, *, at_once=1):
            self.batches.append((client, [self.by_url[each.url].name for each in calls], at_once))
            return [self.answer(each) for each in calls]

        return call

    def answer(self, call):
        asked = self.by_url[call.url]
        if self.odd.get(asked.name):
            return self.odd[asked.name].pop(0)
        cluster = next(iter(asked.clusters))
        if cluster in self.refusing:
            key = asked.exit, cluster.replace(":", "_")
            # An attempt and two more.
            self.counted[key] = self.counted.get(key, 0) + 3
            return Answer(503)
        return Answer(200, {NODE_HEADER: "node"})

    def prober(self, at_once=8):
        return Prober(
            self.caller, lambda: Refusals(dict(self.counted)), at_once=at_once, sleep=self.waited.append
        )


def test_a_pod_asks_all_its_controls_in_one_batch():
    many = [probe(f"h{number}") for number in range(100)]
    world = World(*many, refusing=[cluster for each in many for cluster in each.clusters])

    probed = world.prober().ask("expired", dict.fromkeys(many, False))

    assert [batch[1:] for batch in world.batches] == [([each.name for each in many], 8)]
    assert [each.request.name for each in probed] == [each.name for each in many]
    assert {(each.line.got, each.line.passed) for each in probed} == {("503 handshake refused", True)}
    assert len({each.id for each in probed}) == 100
    assert world.waited == []


def test_each_pod_asks_its_own():
    ours, theirs = probe("a"), probe("b", client="other")
    world = World(ours, theirs)

    world.prober().ask("right", {ours: True, theirs: True})

    assert [batch[:2] for batch in world.batches] == [("client", ["a"]), ("other", ["b"])]


def test_what_counts_at_the_same_cluster_is_asked_apart_so_that_no_refusal_speaks_for_another():
    """A gateway that takes one of two requests to a cluster must not pass by the refusal of the other."""
    first, second = probe("first", "shared"), probe("second", "shared")
    # A proxy answers the second one itself, for a reason of its own.
    world = World(first, second, refusing=["shared"], odd={"second": [Answer(503)] * _TRIES})

    refused, answered = world.prober().ask("expired", {first: False, second: False})

    assert (refused.line.got, refused.line.passed) == ("503 handshake refused", True)
    assert (answered.line.got, answered.line.passed) == ("503", False)
    assert len(world.waited) == _TRIES - 1


def test_only_what_is_not_as_it_must_be_is_asked_again_and_one_by_one():
    """The end of a connection from before is met first."""
    steady, late = probe("steady"), probe("late")
    world = World(steady, late, odd={"late": [Answer(503), Answer(error="it ended")]})

    probed = world.prober().ask("right", {steady: True, late: True})

    assert [batch[1:] for batch in world.batches] == [(["steady", "late"], 8), (["late"], 1), (["late"], 1)]
    assert all(each.line.passed for each in probed)
    assert len({each.id for each in probed}) == 2


def test_what_the_gateway_goes_on_with_says_what_is_not_checked_and_needs_a_node_that_answers():
    named, unnamed = probe("named"), probe("unnamed")
    world = World(named, unnamed, odd={"unnamed": [Answer(200)] * _TRIES})

    by_node, by_proxy = world.prober().ask("wrong-san", {named: True, unnamed: True})

    assert by_node.line.expected == "200 (names are not checked)"
    assert (by_node.line.passed, by_proxy.line.passed) == (True, False)


def test_no_group_has_two_of_one_cluster_and_the_same_name_at_another_exit_is_another_cluster():
    a, b, both = probe("a", "one"), probe("b", "two"), probe("both", "one", "two")
    elsewhere = probe("elsewhere", "one", by="client")

    assert apart([a, both, b, elsewhere]) == [[a, b, elsewhere], [both]]
    assert apart([]) == []


def test_a_counter_is_that_of_its_cluster_as_envoy_writes_the_name():
    admin = SimpleNamespace(
        stats=lambda _: {
            "cluster.outbound|443||fd00__1.ssl.fail_verify_san": 2,
            "cluster.outbound|443||fd00__1.ssl.fail_verify_error": 1,
            "cluster.other.ssl.fail_verify_error": 5,
        }
    )

    counted = Refusals.read({"egress": admin})

    assert counted.of(probe("six", "outbound|443||fd00::1")) == 3
    assert counted.of(probe("none", "outbound|443||quiet")) == 0


def test_each_call_has_an_id_by_which_its_cause_is_found():
    asked = probe("a")
    seen = []
    world = World(asked)
    world.answer = lambda call: seen.append(call.headers[ID_HEADER]) or Answer(503)

    (probed,) = world.prober().ask("right", {asked: True})

    assert probed.id == seen[-1]
    assert len(set(seen)) == _TRIES

"""Both protocols, as a client sees them that shares no code with the program."""

import pytest

from bench.errors import StackError
from bench.placement import ConfigFile
from tests.stack.control.raw import TYPES, cluster, endpoints, lines
from tests.support.waiting import wait_until


@pytest.fixture
def publish(plane, proxy, tmp_path):
    """Write kinds of resources and let the control plane read them."""

    def write(**kinds):
        for kind, resources in kinds.items():
            lines(tmp_path / "ads", kind, resources)
        plane.publish(proxy, tmp_path, [ConfigFile(f"ads/{kind}.json", "") for kind in kinds])

    return write


def events(plane, proxy, what):
    return [each for each in plane.state().events if each["proxy"] == proxy and each["what"] == what]


def test_everything_comes_in_warming_order_each_answer_after_the_one_before(plane, proxy, connect, publish):
    """Clusters, their endpoints, listeners, routes."""
    publish(
        clusters=[cluster("a"), cluster("b")],
        endpoints=[endpoints("a", 1), endpoints("b", 2)],
        listeners=[{"name": "l"}],
        routes=[{"name": "r"}],
    )
    stream = connect(is_delta=False)
    for kind, names in (("clusters", ()), ("endpoints", ("a", "b")), ("listeners", ()), ("routes", ("r",))):
        stream.ask(kind, names)
    for kind, names in (
        ("clusters", ["a", "b"]),
        ("endpoints", ["a", "b"]),
        ("listeners", ["l"]),
        ("routes", ["r"]),
    ):
        answer = stream.next()
        assert (answer.type_url, answer.names) == (TYPES[kind], names)
        asked = ("a", "b") if kind == "endpoints" else ("r",) if kind == "routes" else ()
        stream.ask(kind, asked, version=answer.version, nonce=answer.nonce)
    wait_until(lambda: len(events(plane, proxy, "ack")) == 4)


def test_a_change_sends_what_changed_and_a_refusal_is_seen_with_its_reason(plane, proxy, connect, publish):
    """After it the proxy keeps what it had, until something else is published."""
    publish(clusters=[cluster("a"), cluster("b")], endpoints=[endpoints("a", 1)])
    stream = connect(is_delta=False)
    stream.ask("clusters")
    first = stream.next()
    stream.ask("clusters", version=first.version, nonce=first.nonce)
    publish(clusters=[cluster("a"), cluster("b", 7)])
    second = stream.next()
    assert second.names == ["a", "b"], "the state of the world"
    assert second.version != first.version
    stream.ask("clusters", version=first.version, nonce=second.nonce, error="b: no good")
    wait_until(lambda: events(plane, proxy, "nack"))
    refused = events(plane, proxy, "nack")[0]
    assert (refused["reason"], refused["names"], refused["version"]) == ("b: no good", ["b"], second.version)
    publish(clusters=[cluster("a")])
    third = stream.next()
    assert third.names == ["a"], "nothing of the refused version comes again"


def test_an_old_nonce_is_not_an_answer(plane, proxy, connect, publish):
    """A request that crosses a response speaks of an older one."""
    publish(clusters=[cluster("a")])
    stream = connect(is_delta=False)
    stream.ask("clusters")
    first = stream.next()
    publish(clusters=[cluster("b")])
    stream.ask("clusters", version=first.version, nonce="0.0")
    stream.ask("clusters", version=first.version, nonce=first.nonce)
    assert stream.next().names == ["b"]
    assert len(events(plane, proxy, "ack")) == 1


def test_names_that_are_added_are_sent_and_the_others_are_not_sent_again(connect, publish):
    publish(endpoints=[endpoints("a", 1), endpoints("b", 2)])
    stream = connect(is_delta=False)
    stream.ask("endpoints", ["a"])
    first = stream.next()
    assert first.names == ["a"]
    stream.ask("endpoints", ["a", "b"], version=first.version, nonce=first.nonce)
    assert stream.next().names == ["b"]


def test_a_cluster_that_changes_gets_its_endpoints_again(connect, publish):
    """It warms up again, and a proxy that has their names does not ask again."""
    publish(clusters=[cluster("a"), cluster("b")], endpoints=[endpoints("a", 1), endpoints("b", 2)])
    for is_delta in (False, True):
        stream = connect(is_delta=is_delta)
        ask = stream.ask_delta if is_delta else stream.ask
        ask("clusters")
        first = stream.next()
        ask("clusters", nonce=first.nonce)
        ask("endpoints", ["a", "b"])
        second = stream.next()
        ask("endpoints", () if is_delta else ("a", "b"), nonce=second.nonce)
        publish(clusters=[cluster("a", 9 + is_delta), cluster("b")])
        assert (stream.next().type_url, stream.next().names) == (TYPES["clusters"], ["a"])


def test_a_proxy_that_comes_back_with_what_is_still_right_gets_nothing(plane, proxy, connect, publish):
    """By its version with the state of the world, by that of each resource with the incremental one."""
    publish(clusters=[cluster("a"), cluster("b")])
    before = connect(is_delta=False)
    before.ask("clusters")
    version = before.next().version
    back = connect(is_delta=False)
    back.ask("clusters", version=version)
    publish(clusters=[cluster("a"), cluster("b"), cluster("c")])
    assert back.next().names == ["a", "b", "c"]
    newest = max(each["stream"] for each in events(plane, proxy, "send"))
    assert len([each for each in events(plane, proxy, "send") if each["stream"] == newest]) == 1

    lost = connect(is_delta=True)
    lost.ask_delta("clusters")
    has = lost.next().versions
    publish(clusters=[cluster("a", 3), cluster("b")])
    found = connect(is_delta=True)
    found.ask_delta("clusters", has=has)
    answer = found.next()
    assert (answer.names, answer.removed) == (["a"], ["c"])


def test_an_incremental_stream_sends_the_difference_and_says_what_is_gone(plane, proxy, connect, publish):
    publish(clusters=[cluster("a"), cluster("b"), cluster("c")])
    stream = connect(is_delta=True)
    stream.ask_delta("clusters")
    first = stream.next()
    assert sorted(first.names) == ["a", "b", "c"]
    stream.ask_delta("clusters", nonce=first.nonce)
    publish(clusters=[cluster("a"), cluster("b", 5)])
    second = stream.next()
    assert (second.names, second.removed) == (["b"], ["c"])
    stream.ask_delta("clusters", nonce=second.nonce, error="b: no good")
    wait_until(lambda: events(plane, proxy, "nack"))
    assert events(plane, proxy, "nack")[0]["names"] == ["b", "c"]
    publish(clusters=[cluster("a", 6), cluster("b", 5)])
    assert stream.next().names == ["a"], "what was refused is not sent again"


def test_an_incremental_stream_follows_subscriptions_by_name(connect, publish):
    """A name that is asked for again is sent again, one that nothing has is reported as gone."""
    publish(endpoints=[endpoints("a", 1), endpoints("b", 2)])
    stream = connect(is_delta=True)
    stream.ask_delta("endpoints", ["a"])
    first = stream.next()
    assert first.names == ["a"]
    stream.ask_delta("endpoints", ["a", "nobody"], nonce=first.nonce)
    gone = stream.next()
    assert (gone.names, gone.removed) == ([], ["nobody"])
    stream.ask_delta("endpoints", nonce=gone.nonce)
    again = stream.next()
    assert again.names == ["a"]
    stream.ask_delta("endpoints", ["b"], ["a"], nonce=again.nonce)
    assert stream.next().names == ["b"]


def test_each_proxy_gets_its_own(plane, connect, publish, proxy, tmp_path):
    """And one of which nothing is known yet waits until something is published for it."""
    publish(clusters=[cluster("mine")])
    other = connect(is_delta=False, node=f"{proxy}-other")
    other.ask("clusters")
    mine = connect(is_delta=False)
    mine.ask("clusters")
    assert mine.next().names == ["mine"]
    (tmp_path / "other").mkdir()
    lines(tmp_path / "other" / "ads", "clusters", [cluster("theirs")])
    plane.publish(f"{proxy}-other", tmp_path / "other", [ConfigFile("ads/clusters.json", "")])
    assert other.next().names == ["theirs"]
    connected = {each["proxy"]: each for each in plane.state().streams}
    assert connected[proxy]["node"]["id"] == proxy


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ({"name": "a", "no_such_field": 1}, "no field 'no_such_field'"),
        ({"name": "a", "type": "NO_SUCH_TYPE"}, "no value 'NO_SUCH_TYPE'"),
        ({"connect_timeout": "1s"}, "without a name of its own"),
    ],
)
def test_a_file_that_cannot_be_served_changes_nothing(connect, publish, resource, said):
    publish(clusters=[cluster("a")])
    with pytest.raises(StackError, match=said):
        publish(clusters=[resource])
    stream = connect(is_delta=False)
    stream.ask("clusters")
    assert stream.next().names == ["a"]

"""What a scenario expects is held against the resources before anything starts."""

import shutil
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.measure import expected_shares
from bench.preparation import prepare
from bench.scenario.load import load_scenario

ANY_SHAPE = Path("tests/measure/any_shape")


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(ANY_SHAPE, tmp_path / "scenario"))


def warnings(folder, *edits):
    edit(folder, *edits)
    return [(each.code, f"{each.where}: {each.what}") for each in prepare(load_scenario(folder)).foreseen]


def edit(folder, *edits):
    path = folder / "scenario.yaml"
    text = path.read_text()
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def test_expectations_that_fit_say_nothing(folder):
    assert warnings(folder) == []


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ([("http://web.example/", "http://nobody.example/")], "gets 502 from sleep"),
        (
            [('"http://web.example/"', '"http://web.example/", headers: {host: nobody.example}')],
            "expects an answer from web1; according to the resources it gets 502 from sleep",
        ),
        (
            [("clients: [sleep], expect: {nodes: [web1]}", "clients: [sleep], expect: {nodes: [rpc1]}")],
            "from rpc1; according to the resources it gets an answer from web1 (web.example:80)",
        ),
        ([("expect: {nodes: [db1], body_contains: HELLO}", "expect: {nodes: [other]}")], "from db1"),
        ([("https://api.pay.example/", "https://nobody.example/")], "no connection to"),
    ],
)
def test_a_request_that_cannot_get_what_it_expects_is_reported_with_both_sides(folder, edits, says):
    other = ("  rpc1:", '  other: {plays: "10.1.0.9:5432", protocol: bytes}\n  rpc1:')
    found = warnings(folder, *edits, *([other] if "other" in edits[0][1] else []))

    reported = [message for code, message in found if code == "expectation-contradicted"]
    assert reported
    assert all(says in message for message in reported)
    assert all(f"{folder}/scenario.yaml:" in message for message in reported)


def test_a_node_that_nothing_leads_to_is_named(folder):
    found = warnings(folder, ("  rpc1:", '  idle: {plays: "10.9.9.9:80"}\n  rpc1:'))

    ((code, message),) = found
    assert code == "idle-node"
    assert "no proxy leads to 10.9.9.9:80, which idle plays" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("clients: [batch], body", "clients: [batch], tls: null, body", None),
        (
            '{url: "https://api.pay.example/", expect',
            '{url: "https://api.pay.example/", protocol: http/2, expect',
            "request pay speaks HTTP/2, which proxies pass on, and node pay1 does not",
        ),
        (", protocol: bytes}\n  web1", "}\n  web1", "request db speaks bytes"),
        (
            ", protocol: grpc}",
            "}",
            "sleep speaks HTTP/2 to node rpc1, by its cluster outbound|8080||rpc.example",
        ),
        ("size: 64k, delay: 5", "protocol: http/2", "sleep speaks HTTP/1.1 to node web1"),
        ("size: 64k, delay: 5", "protocol: bytes", "the node speaks bytes"),
        (r'body: "HELLO\n"', "body_base64: AAEC/w==", "request db sends no end of a line, and node db1"),
        (r'body: "HELLO\n"', "body_base64: AAEC/wo=", None),
        ("protocol: bytes}\n  web1", "protocol: bytes, greets: true}\n  web1", None),
        (
            "tcp://db.example:5432",
            "tcp://db.example:5433",
            "calls port 5433, and batch has no listener there",
        ),
    ],
)
def test_what_a_node_does_not_speak_and_a_port_that_nothing_opens_are_refused(folder, old, new, says):
    edit(folder, (old, new))
    if says is None:
        prepare(load_scenario(folder))
        return
    with pytest.raises(InputError, match=says):
        prepare(load_scenario(folder))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "expect: {shares: {stable: 90, canary: 10}}",
            "expect: {nodes: [stable]}",
            "from stable; according to the resources it gets for 10 % of its requests an answer from canary",
        ),
        (
            "{stable: 90, canary: 10}",
            "{stable: 50, canary: 50}",
            "and 0.5 from canary; according to the resources it gets 0.9 from stable and 0.1 from can",
        ),
        ("{stable: 90, canary: 10}", "{stable: 9, canary: 1}", None),
    ],
)
def test_a_split_is_held_against_the_weights(tmp_path, old, new, says):
    folder = Path(shutil.copytree("scenarios/canary", tmp_path / "scenario"))

    found = [message for code, message in warnings(folder, (old, new)) if code == "expectation-contradicted"]

    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_shares_of_connections_that_are_kept_are_not_judged_and_said_so(folder):
    other = ("  rpc1:", '  pay2: {plays: "10.9.9.9:443"}\n  rpc1:')
    edits = (
        other,
        ('expect: {nodes: [pay1], body_contains: "pay1!"}', "expect: {shares: {pay1: 50, pay2: 50}}"),
    )

    assert "shares-of-connections" in [code for code, _ in warnings(folder, *edits)]
    assert "pay from sleep" not in expected_shares(load_scenario(folder))

    edit(folder, ("connections: {count: 16}", "connections: {count: 16, requests_per_connection: 1}"))

    assert "shares-of-connections" not in [code for code, _ in warnings(folder)]
    assert "pay from sleep" in expected_shares(load_scenario(folder))

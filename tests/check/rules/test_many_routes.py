"""Thousands of rules of one VirtualService: the findings of comparing each with each, in linear work."""

from __future__ import annotations

import random
from pathlib import Path

from bench.check import Surroundings, analyze
from bench.check.rules.coverage import EarlierMatches, covers_match
from bench.istio.load import load_text
from bench.istio.models.virtual_service import HTTPMatchRequest
from tests.support.effort import growth


def random_match(source: random.Random) -> HTTPMatchRequest:
    def text() -> dict[str, str]:
        kind = source.choice(["exact", "prefix", "regex"])
        return {kind: source.choice(["/a", "/a/b", "/A", "/", "/a/b/c", "x"])}

    fields: dict[str, object] = {}
    if source.random() < 0.8:
        fields["uri"] = text()
    if source.random() < 0.3:
        fields["ignoreUriCase"] = True
    if source.random() < 0.5:
        names = source.sample(["want", "Want", "x-a"], source.randint(1, 2))
        fields["headers"] = {name: source.choice([text(), {}]) for name in names}
    if source.random() < 0.2:
        fields["method"] = text()
    return HTTPMatchRequest.model_validate(fields)


def test_an_index_of_earlier_matches_finds_what_comparing_each_finds() -> None:
    source = random.Random(7)
    for _ in range(200):
        matches = [random_match(source) for _ in range(12)]
        earlier = EarlierMatches()
        for number, match in enumerate(matches):
            naive = [at for at, other in enumerate(matches[:number]) if covers_match(other, match)]
            assert earlier.covering(match) == naive
            earlier.add(number, match)


def test_twice_the_rules_take_twice_the_work(tmp_path: Path) -> None:
    def analysis(count: int):
        rules = "".join(
            f"  - match: [{{uri: {{prefix: /p{n}/}}}}, {{headers: {{h: {{exact: v{n}}}}}}}]\n"
            "    route: [{destination: {host: a.test}}]\n"
            for n in range(count)
        )
        text = (
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
            f"spec:\n  hosts: [a.test]\n  http:\n{rules}"
        )
        resources = load_text(text, "a.yaml")
        return lambda: analyze(Surroundings(resources))

    assert growth(analysis, size=60) < 2.3

"""What ``explain`` predicts is what real Envoys do, and ``check`` only calls an error what fails there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench.check.effects.find import find_effects
from bench.check.finding import Level
from bench.check.rules.analyze import analyze
from bench.check.rules.surroundings import Surroundings
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from tests.explain.reality import try_case

pytestmark = pytest.mark.envoy

TESTS = Path(__file__).parent.parent
FOLDERS = sorted(
    path.parent
    for root in (TESTS / "golden" / "translate", TESTS / "explain" / "cases")
    for path in root.glob("*/inventory.yaml")
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_requests_go_the_way_that_was_predicted(folder: Path, tmp_path: Path) -> None:
    """Status, flags, cluster and endpoint; check reports an error where requests fail, and nowhere else."""
    file = folder / "input.yaml"
    resources = load_text(file.read_text(), str(file))
    inventory = Inventory.model_validate(yaml.safe_load((folder / "inventory.yaml").read_text()))

    tried = try_case(resources, inventory, tmp_path)

    assert tried.surprises == ()
    assert tried.requests > 0

    registry = build_registry(resources, inventory)
    findings = [*find_effects(registry, resources), *analyze(Surroundings(resources, inventory))]
    # EB0100 is about proxies that cannot run here at all, EB0105 about a 404 that is not a broken way.
    errors = [
        found for found in findings if found.level is Level.ERROR and found.code not in ("EB0100", "EB0105")
    ]
    if tried.broken:
        assert findings != [], tried.broken
    else:
        assert errors == []


def test_a_wrong_forecast_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison can fail: with another configuration in mind than the one that runs, it does."""
    folder = next(each for each in FOLDERS if each.name == "faults-redirects-and-weights")
    text = (folder / "input.yaml").read_text()
    inventory = Inventory.model_validate(yaml.safe_load((folder / "inventory.yaml").read_text()))
    resources = load_text(text, "input.yaml")
    other = load_text(text.replace("httpStatus: 555", "httpStatus: 556"), "input.yaml")
    monkeypatch.setattr(
        "tests.explain.reality.explain",
        lambda _registry, _resources, request, proxy: __import__(
            "bench.explain.explain", fromlist=["explain"]
        ).explain(build_registry(other, inventory), other, request, proxy),
    )

    tried = try_case(resources, inventory, tmp_path)

    assert {surprise.sample.path for surprise in tried.surprises} == {"/broken"}

"""What cannot work is refused before anything starts."""

import shutil
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.preparation import prepare
from bench.scenario.load import load_scenario


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree("scenarios/egress-mtls", tmp_path / "scenario"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("virtual-service-egress.yaml", "subset: v1", "subset: v9", r"egress\.yaml:21: .*subset \"v9\""),
        ("virtual-service-egress.yaml", "  - gateway\n", "  - gatewy\n", r"egress\.yaml:9: .*no Gateway"),
        ("destination-rule.yaml", "tls.key", "other.key", r"other\.key, which neither exists nor is made"),
    ],
)
def test_references_that_lead_nowhere_are_refused(folder, file, old, new, says):
    edit(folder / "istio" / file, old, new)

    with pytest.raises(InputError, match=says):
        prepare(load_scenario(folder))


def test_a_url_whose_port_nobody_opens_is_refused(folder):
    edit(folder / "scenario.yaml", "cluster.local/\n", "cluster.local:81/\n")

    with pytest.raises(InputError, match=r"calls port 81, .* its ports: 80, 443"):
        prepare(load_scenario(folder))


def test_configuration_hashes_are_those_of_the_resources_and_not_of_the_place():
    first = prepare(load_scenario(Path("scenarios/egress-mtls"))).config_hashes()
    second = prepare(load_scenario(Path("scenarios/egress-mtls").resolve())).config_hashes()

    assert first == second
    assert len(set(first.values())) == 4

"""A scenario folder is trusted once it is loaded; what is wrong in it is named with file and line."""

import math
import re
import shutil
from pathlib import Path

import pytest

from bench.errors import InputError
from bench.scenario.load import load_scenario
from bench.scenario.overrides import override

SHIPPED = Path("scenarios/egress-mtls")


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(SHIPPED, tmp_path / "scenario"))


def rewrite(path: Path, old: str, new: str) -> int:
    """Replace *old* in a file; return the line, counted from 1, on which it was."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_the_shipped_scenario_is_the_walkthrough():
    loaded = load_scenario(SHIPPED)

    found = {(resource.kind, resource.namespace, resource.name) for resource in loaded.resources}

    assert found == {
        ("Service", "external", "nginx"),
        ("VirtualService", "default", "vs-mesh"),
        ("VirtualService", "default", "vs-nginx-ext-egress"),
        ("Gateway", "default", "gateway"),
        ("ServiceEntry", "default", "se"),
        ("DestinationRule", "default", "dr"),
    }
    assert loaded.scenario.inventory.semantics == "istio-1.0"
    assert loaded.scenario.nodes["nginx01"].plays == (("192.168.0.63", 443),)
    assert loaded.scenario.nodes["nginx02"].plays == (("192.168.0.64", 443),)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("key: rsa-4096", "key: dsa", "tls.key must be one of rsa-4096, rsa-2048, ecdsa-p256"),
        ("arrival_rate: 500", "arrival_rate: -1", "must be more than 0"),
        ("arrival_rate: 500", "arival_rate: 500", "arival_rate is not a known field"),
        ('plays: "192.168.0.63:443"', 'plays: "192.168.0.63"', "is not ADDRESS:PORT"),
        ("nodes: [nginx01]", "nodes: [nginx09]", "names node 'nginx09'"),
        ("url: http://", "url: ftp://", "is not http://, https://, tcp:// or tls://"),
        ("- IP:192.168.0.63", "- 192.168.0.63", "must start with DNS:, IP: or URI:"),
        ("failed: 0", "fialed: 0", "Did you mean failed?"),
    ],
)
def test_a_fault_is_named_with_its_file_and_line(folder, old, new, says):
    path = folder / "scenario.yaml"
    line = rewrite(path, old, new)

    with pytest.raises(InputError) as caught:
        load_scenario(folder)

    assert says in str(caught.value)
    # A fault of a whole block is named at the block's first line.
    assert f"{path}:" in str(caught.value)
    named = min(int(part.partition(":")[0]) for part in str(caught.value).split(f"{path}:")[1:])
    assert named <= line


def test_a_repeated_key_is_refused(folder):
    rewrite(folder / "scenario.yaml", "limits:\n", "limits:\n  failed: 1\n")

    with pytest.raises(InputError, match=r"scenario\.yaml:\d+: .*written twice"):
        load_scenario(folder)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("client: sleep", "client: egress", "traffic.client names 'egress', whose role is not sidecar"),
        ("client: sleep", "client: web", "traffic.client names 'web'; the inventory has egress, sleep"),
        ("gateway: egress", "gateway: out", "traffic.gateway names 'out'; the inventory has egress, sleep"),
    ],
)
def test_client_and_gateway_are_proxies_of_their_roles_and_named_with_their_line(folder, old, new, says):
    line = rewrite(folder / "scenario.yaml", old, new)

    with pytest.raises(InputError) as caught:
        load_scenario(folder)

    assert str(caught.value).startswith(f"{folder / 'scenario.yaml'}:{line}: {says}")


@pytest.mark.parametrize("missing", ["scenario.yaml", "istio"])
def test_a_missing_part_is_reported_with_what_to_do(folder, missing):
    path = folder / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(InputError) as caught:
        load_scenario(folder)

    assert caught.value.remedy


def test_the_hash_changes_with_any_file_and_with_nothing_else(folder):
    before = load_scenario(folder).content_hash()
    rewrite(folder / "istio" / "gateway.yaml", "name: http", "name: http2")

    changed = load_scenario(folder).content_hash()
    rewrite(folder / "istio" / "gateway.yaml", "name: http2", "name: http")
    (folder / "README.md").write_text("other words")

    assert changed != before
    assert load_scenario(folder).content_hash() == before


def test_options_replace_the_scenarios_own_values():
    loaded = override(load_scenario(SHIPPED), rate=50, measure_s=1.5, blocks=2, key="ecdsa-p256")

    traffic = loaded.scenario.traffic
    assert traffic.schedule.arrival_rate == 50
    assert (traffic.measure_s, traffic.blocks, loaded.scenario.tls.key) == (1.5, 2, "ecdsa-p256")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"rate": 0}, "--rate must be more than 0"),
        ({"blocks": 0}, "--blocks must be at least 1"),
        ({"measure_s": -1}, "--measure must be more than 0"),
        ({"rate": math.inf}, "--rate must be a finite number, not inf"),
        ({"measure_s": math.nan}, "--measure must be a finite number, not nan"),
        ({"key": "dsa"}, "--key must be one of"),
    ],
)
def test_an_impossible_option_is_named(option, says):
    with pytest.raises(InputError, match=says):
        override(load_scenario(SHIPPED), **option)


def test_no_subset_may_have_the_name_of_all_of_them(folder):
    text = (folder / "scenario.yaml").read_text()
    (folder / "scenario.yaml").write_text(re.sub(r"^(\s+)v1:", r"\1all:", text, count=1, flags=re.MULTILINE))

    with pytest.raises(InputError, match="no subset may be called 'all'"):
        load_scenario(folder)

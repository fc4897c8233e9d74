"""``egress-bench translate``: a folder in, files out that a plain Envoy starts with."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bench.commands.translation import write_translation
from bench.errors import InputError
from tests.support.envoy import running_command
from tests.translate.conftest import WALKTHROUGH, issue_certificates, walkthrough_inventory

SCENARIO = Path(__file__).parent.parent.parent / "scenarios" / "egress-mtls"


@pytest.fixture
def folder(tmp_path):
    certificates = tmp_path / "certs" / "live"
    issue_certificates(certificates)
    text = WALKTHROUGH
    for written, real in (
        ("/etc/istio/certs/tls.crt", certificates / "client.crt"),
        ("/etc/istio/certs/tls.key", certificates / "client.key"),
        ("/etc/istio/ca-certs/ca.crt", certificates / "ca.crt"),
    ):
        text = text.replace(written, str(real))
    source = tmp_path / "path"
    source.mkdir()
    (source / "mesh.yaml").write_text(
        text.replace("number: 80", "number: 18080").replace("port: 80", "port: 18080")
    )
    inventory = walkthrough_inventory()
    inventory["services"][0]["ports"] = [{"name": "http", "port": 18080}]
    (source / "inventory.yaml").write_text(yaml.safe_dump(inventory))
    return source


@pytest.mark.envoy
@pytest.mark.parametrize(("role", "source"), [("egress", "static"), ("egress", "eds")])
def test_the_printed_command_starts_envoy(folder, tmp_path, role, source):
    """As printed, with nothing added but the place of the admin address that this test reads."""
    written = write_translation(folder, role=role, config_source=source, out=tmp_path / "out")
    assert written.warnings == ()
    assert written.files[-1].name == "bootstrap.yaml"
    words = shlex.split(written.command)
    assert words[0] == "envoy"
    with running_command(words[1:], tmp_path / "running") as envoy:
        assert yaml.safe_load(envoy.get("/server_info"))["state"] == "LIVE"


def test_translating_again_touches_only_what_changed(folder, tmp_path):
    """Unchanged files keep their inode, so that a running Envoy reads nothing again; stale ones go."""
    out = tmp_path / "out"
    first = write_translation(folder, role="egress", config_source="eds", out=out)
    inodes = {path: path.stat().st_ino for path in first.files}

    mesh = folder / "mesh.yaml"
    mesh.write_text(mesh.read_text().replace("192.0.2.63", "192.0.2.99"))
    second = write_translation(folder, role="egress", config_source="eds", out=out)
    changed = {path.name for path in second.files if path.stat().st_ino != inodes[path]}
    assert {name.split("%7C")[2] for name in changed} == {"v1", ""}

    third = write_translation(folder, role="egress", config_source="static", out=out)
    assert set(out.rglob("*.yaml")) == set(third.files)


def test_the_scenario_holds_the_inventory_and_the_folder_istio(tmp_path):
    """A scenario's own layout works, too."""
    written = write_translation(SCENARIO, role="sidecar", config_source="static", out=tmp_path / "out")
    assert written.proxy == "sleep"


def test_missing_certificates_are_reported(folder, tmp_path):
    """Envoy would wait for them silently."""
    mesh = folder / "mesh.yaml"
    mesh.write_text(mesh.read_text().replace("client.key", "gone.key"))
    written = write_translation(folder, role="egress", config_source="static", out=tmp_path / "out")
    assert any("gone.key does not exist here" in warning for warning in written.warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda inventory: inventory["proxies"].pop("egress"), "no proxies of the role egress"),
        (
            lambda inventory: inventory["proxies"].update(second=inventory["proxies"]["egress"]),
            "Choose one with --proxy: egress, second",
        ),
        (lambda inventory: inventory.update(semantics="istio-2"), "semantics"),
        (lambda inventory: inventory["proxies"]["egress"].update(color="red"), "proxies.egress.color"),
    ],
)
def test_a_wrong_inventory_is_explained(folder, tmp_path, change, message):
    """The message names the file and what to do."""
    file = folder / "inventory.yaml"
    inventory = yaml.safe_load(file.read_text())
    change(inventory)
    file.write_text(yaml.safe_dump(inventory))
    with pytest.raises(InputError) as refused:
        write_translation(folder, role="egress", config_source="static", out=tmp_path / "out")
    assert str(file) in str(refused.value)
    assert message in str(refused.value)


def test_no_writable_place_is_explained(folder, tmp_path):
    """In one paragraph."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_translation(folder, role="egress", config_source="static", out=blocked / "out")


def translate_in_a_process(folder, out, seed, *options):
    """Run the command with a hash seed of its own; give what it prints."""
    command = [sys.executable, "-m", "bench", "translate", str(folder), "--role", "egress"]
    done = subprocess.run(
        [*command, "--config-source", "eds", "--out", str(out), *options],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_input_gives_the_same_bytes_whatever_order_sets_have(folder, tmp_path):
    """Two processes with other hash seeds, one place: every file is the same."""
    contents = []
    for seed in (1, 2):
        out = tmp_path / "out"
        translate_in_a_process(folder, out, seed)
        contents.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*.yaml")})
        shutil.rmtree(out)
    assert len(contents[0]) > 5
    assert contents[0] == contents[1]


def test_json_reports_files_in_their_order_the_command_and_the_warnings(folder, tmp_path):
    """One document on stdout, nothing else."""
    (tmp_path / "certs" / "live" / "ca.crt").unlink()
    parsed = json.loads(translate_in_a_process(folder, tmp_path / "out", 1, "--json"))
    assert parsed["files"][-1] == "bootstrap.yaml"
    assert all((tmp_path / "out" / file).is_file() for file in parsed["files"])
    assert parsed["files"].index("xds/cds.yaml") < parsed["files"].index("xds/lds.yaml")
    assert parsed["command"].startswith("envoy -c ")
    assert any("ca.crt does not exist here" in warning for warning in parsed["warnings"])


def test_version_info_is_a_hash_of_what_the_file_says(folder, tmp_path):
    """It changes with an address and comes back with it."""
    versions = []
    for address in ("192.0.2.63", "192.0.2.65", "192.0.2.63"):
        text = (folder / "mesh.yaml").read_text()
        (folder / "mesh.yaml").write_text(text.replace("192.0.2.65", address).replace("192.0.2.63", address))
        written = write_translation(folder, role="egress", config_source="eds", out=tmp_path / "out")
        versions.append(
            {str(path): yaml.safe_load(path.read_text()).get("version_info") for path in written.files[:-1]}
        )
    assert versions[0] == versions[2]
    changed = [path for path in versions[0] if versions[0][path] != versions[1][path]]
    assert changed
    assert all("/eds/" in path for path in changed)


def test_clusters_that_nothing_leads_to_are_left_out_on_demand(folder, tmp_path):
    """``clusters: reachable`` in the inventory: fewer files to watch, the same routes."""
    every = write_translation(folder, role="egress", config_source="eds", out=tmp_path / "all")
    inventory = yaml.safe_load((folder / "inventory.yaml").read_text())
    (folder / "inventory.yaml").write_text(yaml.safe_dump({**inventory, "clusters": "reachable"}))
    few = write_translation(folder, role="egress", config_source="eds", out=tmp_path / "few")

    def kind(written, name):
        return {path.name: path.read_text() for path in written.files if name in path.parts}

    assert 0 < len(kind(few, "eds")) < len(kind(every, "eds"))
    assert kind(few, "rds") == kind(every, "rds")
    used = set(re.findall(r"outbound[^\"\s]*", "".join(kind(few, "rds").values())))
    named = {
        cluster["name"] for cluster in yaml.safe_load((few.out / "xds/cds.yaml").read_text())["resources"]
    }
    assert used == named

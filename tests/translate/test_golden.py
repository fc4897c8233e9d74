"""Recorded translations, reviewed like code: ``pytest --update-golden`` writes them again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.translate import ConfigFile, Placement, RenderOptions, render, translate
from tests.support.envoy import running_envoy
from tests.translate.conftest import issue_certificates, write_files

GOLDEN = Path(__file__).parent.parent / "golden" / "translate"
ROOT = "/etc/egress-bench"
SEPARATOR = "# file: "


def _runs() -> list[tuple[str, str, str]]:
    return [
        (case.name, proxy, source)
        for case in sorted(GOLDEN.iterdir())
        for proxy in yaml.safe_load((case / "inventory.yaml").read_text())["proxies"]
        for source in ("static", "eds")
    ]


def _files(case: str, proxy: str, source: str, placement: Placement) -> list[ConfigFile]:
    folder = GOLDEN / case
    inventory = Inventory.model_validate(yaml.safe_load((folder / "inventory.yaml").read_text()))
    config = translate(
        build_registry(load_text((folder / "input.yaml").read_text(), "input.yaml"), inventory),
        proxy,
        config_source=source,
    )
    return render(config, placement, RenderOptions(node_id=proxy))


def _recorded(folder: Path, proxy: str, source: str) -> Path:
    return folder / "expected" / f"{proxy}.{source}.yaml"


def _split(text: str) -> list[ConfigFile]:
    parts = text.split(SEPARATOR)[1:]
    return [ConfigFile(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


@pytest.mark.parametrize(("case", "proxy", "source"), _runs())
def test_translation_is_what_was_recorded_and_reviewed(case, proxy, source, request):
    """Not a byte differs from the recorded files."""
    files = _files(case, proxy, source, Placement(config_root=ROOT, log_root="/var/log"))
    actual = "".join(f"{SEPARATOR}{file.path}\n{file.text}" for file in files)
    recorded = _recorded(GOLDEN / case, proxy, source)
    if request.config.getoption("--update-golden"):
        recorded.parent.mkdir(exist_ok=True)
        recorded.write_text(actual)

    assert recorded.read_text() == actual


@pytest.mark.envoy
@pytest.mark.parametrize(("case", "proxy", "source"), _runs())
def test_envoy_accepts_every_recorded_file(envoy, tmp_path, case, proxy, source):
    """The recorded bytes themselves pass ``--mode validate``, and an Envoy that refuses unknown fields.

    The places of the recording become the test's own folder; ports are the system's to choose.
    """
    issue_certificates(tmp_path / "certs" / "live")
    text = _recorded(GOLDEN / case, proxy, source).read_text().replace(ROOT, str(tmp_path / "x"))
    bootstrap = write_files([_move(file, tmp_path) for file in _split(text)], tmp_path / "x")

    validated = subprocess.run(
        [envoy, "--mode", "validate", "-c", str(bootstrap)], capture_output=True, text=True, check=False
    )
    assert validated.returncode == 0, validated.stderr
    with running_envoy(bootstrap) as running:
        refused = running.stats("update_rejected|[lcrs]ds.*update_failure|dynamic_unknown_fields")
        assert {name: value for name, value in refused.items() if value} == {}


def _move(file: ConfigFile, root: Path) -> ConfigFile:
    """Bind to free ports, and read the test's certificates."""
    data = yaml.safe_load(file.text)
    for index, resource in enumerate(data.get("resources", [])):
        if "filter_chains" in resource:
            # Of listeners that are not bound for real, Envoy refuses two with the same address, even port 0.
            resource["address"]["socket_address"].update(address=f"127.0.0.{index + 1}", port_value=0)
        if "tls_certificate" in resource:
            name = "client" if "server" not in file.path else "server"
            pair = resource["tls_certificate"]
            pair["certificate_chain"]["filename"] = str(root / "certs" / "live" / f"{name}.crt")
            pair["private_key"]["filename"] = str(root / "certs" / "live" / f"{name}.key")
            pair["watched_directory"]["path"] = str(root / "certs")
        if "validation_context" in resource:
            trust = resource["validation_context"]
            trust["trusted_ca"]["filename"] = str(root / "certs" / "live" / "ca.crt")
            trust["watched_directory"] = {"path": str(root / "certs")}
    return ConfigFile(file.path, yaml.safe_dump(data, sort_keys=False))

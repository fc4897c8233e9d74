"""Scenarios of the library, by name, run for a second each; all of them: ``make benchmark-scenarios``.

One for each shape that the walkthrough is not: no gateway, TLS of the client's own, bytes.
"""

import shutil
from pathlib import Path

import pytest

from bench.result import Book, MissingCode, read_result
from tests.benchmarks.library import unexplained
from tests.support.command import run_command

pytestmark = [pytest.mark.envoy, pytest.mark.nginx, pytest.mark.whole_path]


@pytest.mark.parametrize(
    ("name", "options"), [("direct", ("--ledger", "full")), ("sni-passthrough", ()), ("tcp", ())]
)
def test_every_request_arrives_where_the_yaml_means_it_to(name, options, tmp_path):
    """Whatever else this machine has to do: figures may prove nothing (3), answers may not be wrong."""
    done = run_command("run", name, "--measure", "1", "--rate", "100", *options, "--out", tmp_path)

    assert done.returncode in (0, 3), done.stderr
    (folder,) = tmp_path.iterdir()
    result = read_result(folder)
    every = result.totals[-1]
    assert (every.due, every.answered, every.misrouted) == (200, 200, 0)
    assert unexplained(result) == 0


def test_each_id_is_found_again_without_a_gateway_and_from_several_clients(tmp_path):
    folder = Path(shutil.copytree("scenarios/direct", tmp_path / "scenario"))
    file = folder / "scenario.yaml"
    other = "    other: {role: sidecar, namespace: default, ip: 10.0.0.6, interception: none}\n"
    text = file.read_text()
    text = text.replace("      interception: none\n", f"      interception: none\n{other}", 1)
    file.write_text(text.replace("  client: client\n", "  clients: [client, other]\n", 1))

    done = run_command("run", folder, "--measure", "1", "--ledger", "full", "--out", tmp_path / "reports")

    assert done.returncode in (0, 3), done.stderr
    (kept,) = (tmp_path / "reports").iterdir()
    result = read_result(kept)
    assert unexplained(result) == 0
    for trial in result.trials:
        full = [each for each in trial.ledger.books if each.level == "full"]
        assert Book.SIDECAR_TO_NODES in [each.book for each in full]
        assert all(each.state == "balanced" for each in full)
        # Of both clients; on a busy machine some may end before they arrive, and are named.
        assert trial.ledger.matched > trial.ledger.requests / 2
        assert trial.ledger.connections.right_servers == trial.ledger.connections.connections_of_gateway > 0
        assert [each.code for each in trial.ledger.missing] == [MissingCode.NO_GATEWAY]

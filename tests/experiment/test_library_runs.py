"""Scenarios of the library, by name, run for a second each; all of them: ``make benchmark-scenarios``.

One for each shape that the walkthrough is not: no gateway, TLS of the client's own, bytes.
"""

import pytest

from bench.result import read_result
from tests.benchmarks.library import unexplained
from tests.support.command import run_command

pytestmark = [pytest.mark.envoy, pytest.mark.nginx, pytest.mark.whole_path]


@pytest.mark.parametrize("name", ["direct", "sni-passthrough", "tcp"])
def test_every_request_arrives_where_the_yaml_means_it_to(name, tmp_path):
    """Whatever else this machine has to do: figures may prove nothing (3), answers may not be wrong."""
    done = run_command("run", name, "--measure", "1", "--rate", "100", "--out", tmp_path)

    assert done.returncode in (0, 3), done.stderr
    (folder,) = tmp_path.iterdir()
    result = read_result(folder)
    every = result.totals[-1]
    assert (every.due, every.answered, every.misrouted) == (200, 200, 0)
    assert unexplained(result) == 0

"""A scenario that runs in seconds: the walkthrough with short trials and cheap keys."""

import shutil
from pathlib import Path

import pytest

from tests.support.ground import generator, ground

__all__ = ["generator", "ground"]

SHORT = {
    "key: rsa-4096": "key: ecdsa-p256",
    "arrival_rate: 500": "arrival_rate: 100",
    "warm_up_s: 1": "warm_up_s: 0.5",
    "measure_s: 5": "measure_s: 1.5",
    "blocks: 6": "blocks: 1",
    "measure_s: 13": "measure_s: 2",
    "capacity: # the": "capacity: null # the",
    "  most_s: 20\n": "",
    # Two busy cores must not fail a test of correctness.
    "response_time_p99_ms: 50": "response_time_p50_ms: 1000",
}


@pytest.fixture
def short(tmp_path):
    """The folder of the short scenario."""
    folder = Path(shutil.copytree("scenarios/egress-mtls", tmp_path / "short"))
    path = folder / "scenario.yaml"
    text = path.read_text()
    for old, new in SHORT.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    return folder

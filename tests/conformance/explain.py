"""Hold ``explain`` against real Envoys: every case of a folder is started, and its routes are tried.

    python -m tests.conformance.explain GOLDEN_DIR

GOLDEN_DIR has a folder for each case, with ``input.yaml`` and ``inventory.yaml``. Proxies that files alone
cannot configure are left out. Exit code 0: every request went as predicted; 1: some did not; 2: no cases.
"""

# ruff: noqa: T201 - a table on standard output is what this is for

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from tests.explain.reality import try_case


def main(arguments: list[str]) -> int:
    """Print a line for each case and each surprise, and give the exit code."""
    root = Path(arguments[0]) if len(arguments) == 1 else None
    folders = sorted(path.parent for path in root.glob("*/inventory.yaml")) if root is not None else []
    if not folders:
        print(__doc__)
        return 2
    requests = surprises = 0
    for folder in folders:
        file = folder / "input.yaml"
        inventory = Inventory.model_validate(yaml.safe_load((folder / "inventory.yaml").read_text("utf-8")))
        with tempfile.TemporaryDirectory() as scratch:
            tried = try_case(load_text(file.read_text("utf-8"), str(file)), inventory, Path(scratch))
        print(f"{tried.requests:4d} requests, {len(tried.surprises)} surprises  {folder.name}")
        for surprise in tried.surprises:
            print(f"  {surprise}")
        requests += tried.requests
        surprises += len(tried.surprises)
    print(f"{len(folders)} cases, {requests} requests, {surprises} surprises")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Constrained on purpose: is the binding limit named right?

    python -m tests.benchmarks.limits [--only WORD …] [--record FOLDER]

Each setup is a real stack under a load that is too high for it. On a busy machine the machine itself may be
named first: what counts is the first limit that is one of the path's. Exit code 1 if one is named wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.analysis.capacity import find_constraints
from bench.load.run import LoadGenerator
from tests.benchmarks.limits.overload import read_overload
from tests.benchmarks.limits.setups import SETUPS, scenario_of

SURROUNDINGS = {"machine", "machine-disturbed"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--record", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, LoadGenerator(Path(folder) / "generator") as generator:
        for number, (name, setup) in enumerate(SETUPS.items()):
            if wanted.only and not any(word in name for word in wanted.only):
                continue
            if setup.in_namespace and not wanted.here:
                wrong += subprocess.run(_elsewhere(name, wanted.record), check=False).returncode != 0
                continue
            loaded = scenario_of(setup, Path(folder) / str(number))
            window, at_hand = read_overload(loaded, setup.load, generator)
            found = find_constraints(window, at_hand)
            own = next((each for each in found if each.code not in SURROUNDINGS), None)
            right = own is not None and own.code == setup.code and setup.part in {None, own.part}
            wrong += not right
            print(f"{'right' if right else 'WRONG':6} {name}: {setup.code}", flush=True)
            for each in found:
                print(f"         {each.code}: {each.evidence}")
            if wanted.record is not None:
                wanted.record.mkdir(parents=True, exist_ok=True)
                path = wanted.record / f"{setup.code}.json"
                written = {
                    "part": setup.part,
                    "setup": dataclasses.asdict(at_hand),
                    "window": window.model_dump(mode="json"),
                }
                path.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return 1 if wrong else 0


def _elsewhere(name: str, record: Path | None) -> list[str]:
    """The command that tries one setup in a network namespace with few ports."""
    again = [sys.executable, "-m", "tests.benchmarks.limits", "--here", "--only", name]
    again += ["--record", str(record)] if record is not None else []
    few = "echo 20000 20099 > /proc/sys/net/ipv4/ip_local_port_range"
    # On loopback Linux takes a port again after a second; towards other machines it waits for a minute.
    ready = f"ip link set lo up && {few} && echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse"
    return ["unshare", "--net", "sh", "-c", f'{ready} && exec "$@"', "sh", *again]


if __name__ == "__main__":
    sys.exit(main())

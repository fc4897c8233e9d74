"""Broken inputs for every reader: ``python -m tests.fuzz [--inputs 5000] [--seed N] [--only NAME …]``.

No input may end in a traceback, and none may take longer than 20 s. Exit code 1 where one does; the inputs
are written to ``--out``.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from tests.fuzz.run import fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Feed every target its share of the inputs and print what came of it."""
    parser = argparse.ArgumentParser(description="broken inputs for every reader")
    parser.add_argument("--inputs", type=int, default=5000, help="in all; each target gets its share")
    parser.add_argument("--seed", type=int, default=int(time.monotonic()))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, help="folder for inputs that failed")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = [each for each in TARGETS if not options.only or any(word in each.name for word in options.only)]
    found = 0
    print(f"seed {options.seed}")
    for target in chosen:
        began = time.monotonic()
        inputs = -(-options.inputs * target.share // sum(each.share for each in chosen))
        defects = fuzz(target, inputs=inputs, seed=options.seed)
        found += len(defects)
        took_s = time.monotonic() - began
        print(f"{target.name:<14} {inputs:>6} inputs {len(defects):>5} defects {took_s:5.0f} s", flush=True)
        for what, count in Counter(each.what.strip().splitlines()[-1] for each in defects).items():
            print(f"    {count:>4} × {what[:200]}")
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            for each in defects:
                path = options.out / f"{target.name.replace(' ', '-')}-{each.number}"
                path.with_suffix(".input").write_bytes(each.data)
                path.with_suffix(".traceback").write_text(each.what)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

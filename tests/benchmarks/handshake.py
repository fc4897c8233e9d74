"""The figures that the handshake lab must reach, from a whole lab: `make benchmark-handshake`.

It runs `egress-bench handshake --full`, or reads a result folder, and prints each promise with what was
measured. Exit code 1 where one is not kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.analysis.tls import HALF_WIDTH, LAW_ERROR, REUSE_POINTS
from bench.result import ENDS, Estimate, TlsCell, TlsLab, read_result

MOST_OVER_ORACLE = 1.25
"""RSA-4096, full, at the gateway: times signature and chain by openssl speed."""
MOST_S = 20 * 60.0

Promise = tuple[str, str, bool]
"""What must hold, what was measured, whether it does."""


def promises(lab: TlsLab, duration_s: float | None) -> Iterator[Promise]:
    """Each promise of the lab."""
    cells = [cell for cell in lab.cells if cell.fault is None and cell.refusal is None]
    refused = [cell for cell in lab.cells if cell.refusal is not None]
    why = ", ".join(sorted({str(each.refusal) for each in refused})) or "none"
    yield (
        "32 cells measured, or named for what they cannot do",
        f"{len(cells)} of {len(lab.cells)}, {len(refused)} refused: {why}",
        len(cells) + len(refused) == len(lab.cells) == 32,
    )
    took = "unknown" if duration_s is None else f"{duration_s / 60:.1f} min"
    yield "whole lab within 20 minutes", took, duration_s is not None and duration_s <= MOST_S
    yield from _half_widths(cells)
    below = [f"{cell.name} at the {line.end}" for cell in cells for line in cell.oracle if line.below]
    yield "no cell below its oracle", ", ".join(below) or "none", not below and bool(cells)
    reported = [cell for cell in cells if cell.clocks_agree is not None]
    agree = sum(bool(cell.clocks_agree) for cell in reported)
    yield "three clocks agree", f"{agree} of {len(reported)} cells", bool(reported) and agree == len(reported)
    yield from _dearest(cells)
    off = [point.points_off for point in lab.reuse if point.points_off is not None]
    nodes = {point.nodes for point in lab.reuse}
    yield (
        f"reuse within {REUSE_POINTS:g} points of the prediction, 2 to 4 nodes",
        f"{max(off):.2f} points at most, {len(off)} settings, nodes {sorted(nodes)}"
        if off
        else "not measured",
        bool(off) and max(off) <= REUSE_POINTS and nodes == {2, 3, 4},
    )
    exact = [event for event in lab.reuse_events if event.full == event.predicted_full]
    yield (
        "full handshakes after each event as predicted",
        f"{len(exact)} of {len(lab.reuse_events)}",
        bool(exact) and len(exact) == len(lab.reuse_events),
    )
    errors = [point.error for point in lab.pools]
    known = [abs(error) for error in errors if error is not None]
    yield (
        f"handshakes/s within {LAW_ERROR:.0%} of the law on 10 mixes",
        f"{max(known):.1%} at most, {len(known)} of {len(errors)} mixes" if known else "not measured",
        len(known) == len(errors) == 10 and max(known) <= LAW_ERROR,
    )
    named = sum(each.named for each in lab.refusals)
    yield "every refusal named", f"{named} of {len(lab.refusals)}", bool(named) and named == len(lab.refusals)


def _half_widths(cells: list[TlsCell]) -> Iterator[Promise]:
    for end in ENDS:
        widths = [
            (found.half_width or 0.0, cell.name) for cell in cells if (found := _cpu(cell, end)) is not None
        ]
        widest = max(widths, default=(float("inf"), "nothing"))
        narrow = sum(width <= HALF_WIDTH for width, _ in widths)
        yield (
            f"half-width of CPU at the {end} at most {HALF_WIDTH:.0%}",
            f"{narrow} of {len(widths)} cells; widest {widest[0]:.1%} ({widest[1]})",
            bool(widths) and narrow == len(widths),
        )


def _cpu(cell: TlsCell, end: str) -> Estimate | None:
    return cell.gateway_cpu_us if end == "gateway" else cell.node_cpu_us


def _dearest(cells: list[TlsCell]) -> Iterator[Promise]:
    """RSA-4096, full, mutual, at the gateway: from the signature to 1.25 times all of it."""
    for cell in cells:
        if (cell.key, cell.kind, cell.client_certificate) != ("rsa-4096", "full", True):
            continue
        line = next((each for each in cell.oracle if each.end == "gateway"), None)
        if line is None:
            continue
        found = f"{line.measured.value:,.0f} µs; signature {line.floor_us:,.0f} µs, "
        found += f"{line.measured.value / line.whole_us:.2f} × {line.whole_us:,.0f} µs"
        yield (
            f"{cell.name}: from the oracle's signature to {MOST_OVER_ORACLE} × (sign + verify chain)",
            found,
            line.floor_us <= line.measured.value <= MOST_OVER_ORACLE * line.whole_us,
        )


def main() -> int:
    """Run or read, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--result", type=Path, help="a result folder of `egress-bench handshake`")
    parser.add_argument("--out", type=Path, default=Path("reports"))
    parser.add_argument("--quick", action="store_true", help="the quick look instead of --full")
    chosen = parser.parse_args()
    folder = chosen.result
    if folder is None:
        before = set(chosen.out.glob("*-handshake-*"))
        command = [sys.executable, "-m", "bench", "handshake", "--out", str(chosen.out)]
        subprocess.run([*command, *(() if chosen.quick else ("--full",))], check=False)
        fresh = sorted(set(chosen.out.glob("*-handshake-*")) - before)
        if not fresh:
            print("the lab made no result")
            return 2
        folder = fresh[-1]
    result = read_result(folder)
    if result.tls_lab is None:
        print(f"{folder} is not a result of the lab")
        return 2
    print(f"\n{folder}")
    kept = True
    for promise, measured, holds in promises(result.tls_lab, result.duration_s):
        kept = kept and holds
        print(f"{'✓' if holds else '✗'} {promise}: {measured}")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())

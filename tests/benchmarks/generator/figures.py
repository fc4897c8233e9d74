"""The figures for people."""

from __future__ import annotations

from typing import Any

from tests.benchmarks.generator.clients import ONE_KIND


def _table(result: dict[str, Any], table: dict[str, Any]) -> list[str]:
    lines = [
        "| client | CPU per request | to wrk | requests/s | to wrk | checks every answer |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, row in table["clients"].items():
        cpu, rate = row.get("cpu_to_wrk"), row.get("rate_to_wrk")
        lines.append(
            f"| {name} | {row['cpu_us_per_request']:.1f} µs | {f'{cpu:.2f} ×' if cpu else '–'} "
            f"| {row['requests_per_second']:,.0f} | {f'{rate:.2f} ×' if rate else '–'} "
            f"| {'status, node, body, id' if name == 'egress-bench' else 'no'} |"
        )
    lines += ["", f"{result['connections']} connections, {result['rounds']} interleaved rounds of"]
    lines[-1] += f" {result['seconds']:g} s, medians; target: {table['target']}."
    if ONE_KIND in table["clients"]:
        lines[-1] += " Half of the requests take subset v1, half v2; hey sends v1 only."
    fast = table["clients"]["egress-bench"].get("cpu_to_Locust FastHttpUser")
    if fast:
        lines[-1] += f" Per checked request ours takes 1/{1 / fast:.1f} of FastHttpUser's CPU."
    return lines


def markdown(result: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [line for table in result["tables"] for line in [*_table(result, table), ""]]
    if "freeze" in result:
        f = result["freeze"]
        lines += ["", "Target stopped for 2 s of 12 s at 500/s (truth: p90 0.80 s, p99 1.88 s):"]
        lines[-1] += f" p90 {f['p90_s']:.3f} s, p99 {f['p99_s']:.3f} s,"
        lines[-1] += f" {f['answered']} of {f['due']} answered, {f['unsent']} unsent."
    if "pace" in result:
        p = result["pace"]
        lines += [
            "",
            f"1,000/s for {p['seconds']:g} s: {p['rate']:.2f}/s sent, lag p50 {p['lag_us']['p50']} µs,",
        ]
        lines[-1] += f" p99 {p['lag_us']['p99']} µs, {p['cpu_us_per_request']:.0f} µs of CPU per request."
    return "\n".join(lines) + "\n"

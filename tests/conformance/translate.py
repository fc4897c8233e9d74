"""Compare the translation with what istiod answered: ``python -m tests.conformance.translate GOLDEN_DIR``.

The folder holds cases: ``input.yaml``, ``inventory.yaml`` and ``expected/<proxy>.yaml`` (istiod's
listeners, routes, clusters and endpoints). Exit code 1 on any difference that
``bench/translate/differences.py`` does not explain.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from bench.diff import (
    LEFT_OUT,
    MATERIAL,
    MISSING,
    FieldDifference,
    compare,
    from_istiod,
    from_translation,
    repeats_endpoints,
)
from bench.errors import BenchError
from bench.istio.inventory import Inventory
from bench.istio.load import load_text
from bench.istio.registry import build_registry
from bench.istio.resource import Resources
from bench.translate import ConfigSource, ProxyConfig, RefusedError, translate
from tests.conformance.differences import (
    ALL_ADDRESSES,
    NO_PASSTHROUGH,
    REAL_SOCKETS,
    REFUSALS,
    REFUSED,
    SPELLINGS,
    Difference,
)

_NO_PROXY_FILES = frozenset({"analyze"})


@dataclass
class Row:
    """The outcome for one proxy of one case."""

    case: str
    proxy: str
    fields: int = 0
    unexplained: list[FieldDifference | str] = field(default_factory=list)
    deliberate: list[tuple[Difference, str]] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether there is nothing to compare, because the translation refuses something."""
        return any(difference is REFUSED for difference, _ in self.deliberate)


def check_folder(folder: Path) -> list[Row]:
    """Check every case in *folder*."""
    rows: list[Row] = []
    for case in sorted(path for path in folder.iterdir() if (path / "expected").is_dir()):
        inventory = Inventory.model_validate(yaml.safe_load((case / "inventory.yaml").read_text()))
        try:
            resources = load_text((case / "input.yaml").read_text("utf-8"), str(case / "input.yaml"))
        except BenchError as error:
            rows.append(Row(case.name, "–", unexplained=[f"does not load: {error}"]))
            continue
        for expected in sorted((case / "expected").glob("*.yaml")):
            if expected.stem not in _NO_PROXY_FILES:
                answer = yaml.load(expected.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
                rows.append(check_proxy(case.name, resources, inventory, expected.stem, answer))
    return rows


def check_proxy(
    case: str, resources: Resources, inventory: Inventory, proxy: str, answer: dict[str, Any]
) -> Row:
    """Check one proxy, by both config sources."""
    row = Row(case, proxy)
    written = inventory.proxies[proxy]
    has_real_sockets = written.role == "sidecar" and written.interception == "none"
    if has_real_sockets and inventory.outbound == "ALLOW_ANY":
        row.deliberate.append((NO_PASSTHROUGH, "unknown hosts reach a cluster without endpoints"))
    sources: tuple[ConfigSource, ...] = ("eds", "static")
    try:
        configs = [_translate(resources, inventory, proxy, source) for source in sources]
    except RefusedError as error:
        if error.code not in REFUSALS:
            row.unexplained.append(f"refused, and not for a listed reason: {error}")
        else:
            row.deliberate.append((REFUSED, str(error)))
        return row
    except BenchError as error:
        row.unexplained.append(f"not translated: {error}")
        return row
    if repeats_endpoints(answer):
        row.deliberate.append((ALL_ADDRESSES, "repeated endpoints are compared as one"))
    for config in configs:
        istiod, ours = from_istiod(answer), from_translation(config)
        if has_real_sockets:
            row.unexplained += _missing_chains(istiod.pop("listeners"), ours.pop("listeners"))
        result = compare(istiod, ours)
        row.fields += result.fields
        row.unexplained += [finding for finding in result.differences if finding not in row.unexplained]
    if has_real_sockets:
        row.deliberate.append((REAL_SOCKETS, "listeners are compared by port: what istiod's do, ours do too"))
    return row


def _translate(resources: Resources, inventory: Inventory, proxy: str, source: ConfigSource) -> ProxyConfig:
    registry = build_registry(resources, inventory)
    return translate(registry, proxy, config_source=source, tls_material=MATERIAL)


def _missing_chains(istiod: dict[str, Any], ours: dict[str, Any]) -> list[FieldDifference | str]:
    """Give what istiod's listeners on 127.0.0.1 do on a port that none of ours does on that port."""
    findings: list[FieldDifference | str] = []
    for name, listener in istiod.items():
        port = name.rpartition("_")[2]
        here = [
            chain for other, each in ours.items() if other.endswith(f"_{port}") for chain in _chains(each)
        ]
        findings += [
            FieldDifference(("listeners", name), chain, here or MISSING)
            for chain in _chains(listener)
            if chain not in here
        ]
    return findings


def _chains(listener: dict[str, Any]) -> list[Any]:
    default = listener.get("default_filter_chain")
    return [*listener["filter_chains"].values(), *([default] if default is not None else [])]


def print_rows(rows: list[Row], console: Console) -> None:
    """Print the table, then each difference."""
    table = Table(title="Translation compared with istiod", title_justify="left")
    for name in ("case", "proxy"):
        table.add_column(name, overflow="fold")
    for name in ("fields compared", "differences", "deliberate"):
        table.add_column(name, justify="right")
    for row in rows:
        fields = "none: refused" if row.is_refused else row.fields
        counts = (fields, len(row.unexplained) or "–", len(row.deliberate) or "–")
        table.add_row(row.case, row.proxy, *map(str, counts))
    console.print(table)
    for row in rows:
        place = f"{row.case} {row.proxy}"
        for finding in row.unexplained:
            _say(console, f"differs {place}: {finding}")
        for difference, what in row.deliberate:
            _say(console, f"deliberate ({difference.code}) {place}: {what}")
    reasons = {difference for row in rows for difference, _ in row.deliberate}
    for difference in sorted(reasons, key=lambda each: each.code):
        _say(console, f"reason for {difference.code}: {difference.what} {difference.reason}")
    _say(console, "Not compared:")
    for left_out in LEFT_OUT:
        _say(console, f"  {left_out}")
    _say(console, "Compared as the same meaning in another spelling:")
    for older, newer in SPELLINGS.items():
        _say(console, f"  {older} = {newer}")
    differing = sum(bool(row.unexplained) for row in rows)
    _say(
        console,
        f"{len({row.case for row in rows})} cases, {len(rows)} proxies, "
        f"{sum(row.fields for row in rows)} fields compared, "
        f"{sum(row.is_refused for row in rows)} proxies refused, "
        f"{differing} proxies with unexplained differences",
    )


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def main(arguments: list[str]) -> int:
    """Check the folder named on the command line."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python -m tests.conformance.translate GOLDEN_DIR\n")
        return 2
    rows = check_folder(Path(arguments[0]))
    if not rows:
        what = "a folder with input.yaml, inventory.yaml and expected/"
        sys.stderr.write(f"{arguments[0]} holds no case ({what})\n")
        return 2
    print_rows(rows, Console(width=140))
    return 1 if any(row.unexplained for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

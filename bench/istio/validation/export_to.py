"""``exportTo``: which namespaces see a resource."""

from __future__ import annotations

from collections.abc import Sequence

from bench.istio.validation.findings import Findings
from bench.istio.validation.names import is_dns_label

OWN, EVERYONE, NO_ONE = ".", "*", "~"


def check_export_to(
    export_to: Sequence[str],
    namespace: str,
    findings: Findings,
    *,
    may_be_no_one: bool = False,
    has_selector: bool = False,
) -> None:
    """Refuse repeats (``.`` is the own namespace), unknown forms, and what excludes each other.

    Source: istio ``validateExportTo``.
    """
    kept: set[str] = set()
    for index, entry in enumerate(export_to):
        meant = namespace if entry == OWN else entry
        if meant in kept:
            findings.refuse(f'"{entry}" repeats an entry', "exportTo", index)
        elif (entry == NO_ONE and may_be_no_one) or meant == EVERYONE or is_dns_label(meant):
            kept.add(meant)
        else:
            findings.refuse(f'"{entry}" must be a dot, a star or a namespace', "exportTo", index)
    if has_selector and kept:
        if namespace not in kept:
            findings.refuse("a rule with a workloadSelector stays in its own namespace", "exportTo")
        elif len(kept) > 1:
            findings.refuse("a rule with a workloadSelector has one entry at most", "exportTo")
    if len(export_to) > 1:
        if EVERYONE in kept:
            findings.refuse("a star stands alone", "exportTo")
        if NO_ONE in kept:
            findings.refuse("~ (no one) stands alone", "exportTo")

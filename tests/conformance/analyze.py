"""Compare the analyzer with recorded answers of ``istioctl analyze``: codes and resources.

    python -m tests.conformance.analyze GOLDEN_DIR

GOLDEN_DIR has a folder for each case, with ``input.yaml`` and either ``expected.yaml`` (Pods in the input say
which workloads exist) or ``inventory.yaml`` and ``expected/analyze.yaml``. Deliberate differences are listed
apart, with their reason. Codes of this suite (``EB....``) are not compared, and a code may occur several
times here where istioctl joins messages of equal text. Exit code 0: no unexplained difference; 1: some;
2: nothing to compare.
"""

# ruff: noqa: T201 - a table on standard output is what this is for

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.check.rules.analyze import analyze
from bench.check.rules.surroundings import Surroundings
from bench.istio.inventory import Inventory
from bench.istio.load import survey_text
from tests.conformance.istioctl import excuse, last_server_only

Key = tuple[str, str]
"""Code, and the resource as ``Kind namespace/name``."""
COLLAPSED = frozenset({"IST0106", "IST0133"})
"""Here the number of messages says nothing: both sides stop at different points and join equal texts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One message that only one side has."""

    case: str
    key: Key
    only: str
    reason: str | None = None

    def __str__(self) -> str:
        code, resource = self.key
        return f"{self.case}: {code} {resource}, only {self.only}" + (
            f": {self.reason}" if self.reason else ""
        )


def cases_in(folder: Path) -> list[Path]:
    """Give the folders of cases, of either form."""
    return sorted(path for path in folder.iterdir() if _expected(path).is_file()) if folder.is_dir() else []


def _expected(case: Path) -> Path:
    plain = case / "expected.yaml"
    return plain if plain.is_file() else case / "expected" / "analyze.yaml"


def compare(case: Path) -> list[Difference]:
    """Analyze one case and list what differs."""
    file = case / "input.yaml"
    survey = survey_text(file.read_text("utf-8"), str(file))
    inventory = None
    if (case / "inventory.yaml").is_file():
        inventory = Inventory.model_validate(yaml.safe_load((case / "inventory.yaml").read_text("utf-8")))
    surroundings = Surroundings(survey.resources, inventory)
    ours = Counter(
        (found.code, found.resource)
        for found in analyze(surroundings, survey.problems)
        if found.code.startswith("IST")
    )
    recorded = yaml.safe_load(_expected(case).read_text("utf-8")) or []
    return [
        *_missing(case.name, recorded, ours, surroundings),
        *_extra(case.name, recorded, ours, surroundings, has_unreadable=bool(survey.unreadable)),
    ]


def title_of(recorded: str) -> str:
    """``Kind name.namespace`` or ``Kind name`` as ``Kind namespace/name``."""
    kind, _, name = recorded.partition(" ")
    if kind == "Namespace":
        return recorded
    local, dot, namespace = name.rpartition(".")
    return f"{kind} {namespace}/{local}" if dot else f"{kind} default/{name}"


def _missing(
    case: str, recorded: list[dict[str, Any]], ours: Counter[Key], surroundings: Surroundings
) -> list[Difference]:
    left = Counter(ours)
    owners = {resource.title: resource for resource in surroundings.resources}
    missing = []
    # Messages with an excuse must not use up the counterparts of those without.
    judged = [
        (message, excuse(message, owners.get(title_of(message["resource"])), surroundings))
        for message in recorded
    ]
    for message, reason in sorted(judged, key=lambda each: each[1] is not None):
        key = (message["code"], title_of(message["resource"]))
        if key[0] in COLLAPSED and ours[key]:
            continue
        if left[key]:
            left[key] -= 1
        else:
            missing.append(Difference(case, key, "istioctl", reason))
    return missing


def _extra(
    case: str,
    recorded: list[dict[str, Any]],
    ours: Counter[Key],
    surroundings: Surroundings,
    *,
    has_unreadable: bool,
) -> list[Difference]:
    known = {(message["code"], title_of(message["resource"])) for message in recorded}
    unattended = {title for code, title in known if code == "IST0162"}
    extra: list[Difference] = []
    for key in ours.keys() - known:
        reason = last_server_only(key, surroundings)
        if key[0] == "IST0101" and key[1] in unattended:
            reason = "no proxy has the labels; istioctl takes the gateway of an installation for it"
        if key[0] == "IST0106" and has_unreadable:
            reason = "a document that cannot be read is reported here; istioctl passes over it in silence"
        extra.append(Difference(case, key, "here", reason))
    return extra


def main(arguments: list[str]) -> int:
    """Print the differences, deliberate ones apart, and give the exit code."""
    cases = cases_in(Path(arguments[0])) if len(arguments) == 1 else []
    if not cases:
        print(__doc__)
        return 2
    differences = [difference for case in cases for difference in compare(case)]
    deliberate = [difference for difference in differences if difference.reason is not None]
    unexplained = [difference for difference in differences if difference.reason is None]
    for headline, listed in (("deliberate", deliberate), ("unexplained", unexplained)):
        print(f"{len(listed)} {headline} difference(s)")
        for difference in listed:
            print(f"  {difference}")
    print(f"{len(cases)} cases compared")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

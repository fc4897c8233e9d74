"""``egress-bench check``: everything that is wrong with a folder of Istio YAML, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.check import (
    Finding,
    Level,
    RuleCase,
    Surroundings,
    Survey,
    analyze,
    as_read,
    effects_of,
    in_order,
    sarif,
    survey,
    unreadable,
)
from bench.collection import collection_paused
from bench.commands.envoy_validation import Validation, validate
from bench.errors import BenchError, InputError, Position
from bench.explain import ServerCertificate
from bench.istio.registry import Registry
from bench.message import say
from bench.preparation import (
    Foresight,
    course_of,
    foresee,
    known_certificates,
    missing_stand_ins,
    undialled,
    unmet_demands,
)
from bench.scenario.folder import Folder
from bench.scenario.read import read_sources
from bench.stack.binaries import find_envoy, untried_envoy

SCHEMA_VERSION = 1
_FORESEEN = {
    # The calls before the load would go wrong, and end the run.
    Foresight.EXPECTATION_CONTRADICTED: (Level.ERROR, "EB0017"),
    Foresight.IDLE_NODE: (Level.WARNING, "EB0018"),
    Foresight.SHARES_OF_CONNECTIONS: (Level.WARNING, "EB0020"),
}
FailOn = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check`` found."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    """What could not be looked at, and why."""
    is_readable: bool = True
    """False: the files have faults that leave open what they say."""

    def worst_first(self) -> list[Finding]:
        """Give the findings by level, each level by file and line."""
        return sorted(self.findings, key=lambda finding: -finding.level)

    def summary(self) -> str:
        """Count the findings: ``2 errors, 1 warning``; ``nothing found``."""
        parts: list[str] = []
        for level, word in ((Level.ERROR, "error"), (Level.WARNING, "warning"), (Level.INFO, "note")):
            count = sum(finding.level is level for finding in self.findings)
            if count:
                parts.append(f"{count} {word}{'s' if count > 1 else ''}")
        return ", ".join(parts) or "nothing found"

    def document(self) -> dict[str, Any]:
        """Give the report for ``--json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "summary": {
                level.word: sum(finding.level is level for finding in self.findings)
                for level in (Level.ERROR, Level.WARNING, Level.INFO)
            },
            "notes": list(self.notes),
            "findings": [
                {
                    "level": each.level.word,
                    "code": each.code,
                    "file": each.position.file,
                    "line": each.position.line,
                    "resource": each.resource or None,
                    "reason": each.reason,
                    "remedy": each.remedy,
                }
                for each in self.findings
            ],
        }

    def sarif(self, *, version: str) -> dict[str, Any]:
        """Give the report as SARIF 2.1.0; *version* is that of this tool."""
        return sarif(self.findings, version=version)


def check_sources(paths: Sequence[Path]) -> CheckReport:
    """Analyze the resources in folders and files together, and what their translation does to requests.

    Raises:
        InputError: there is nothing to check: no such folder, nothing of Istio, a file that cannot be opened.
    """
    return check(read_sources(paths))


def report_of(error: BenchError) -> CheckReport:
    """Give the report of a folder that cannot be read at all: `--sarif` has a document for it, too."""
    where = error.where if isinstance(error.where, Position) else Position(str(error.where or "."), 1)
    found = Finding(Level.ERROR, "EB0012", where, "", as_read(error, RuleCase.INPUT_UNREADABLE))
    return CheckReport((found,), is_readable=False)


@collection_paused()
def check(read: Folder) -> CheckReport:
    """Analyze what was read, and let Envoy, where there is one, validate the translation of each proxy.

    Effects and validation need resources that a cluster would accept.
    """
    if read.unreadable:
        found = tuple(unreadable(read.unreadable))
        return CheckReport(
            in_order(found), ("Nothing else is checked until the files can be read.",), is_readable=False
        )
    resources, problems = read.resources, read.survey.problems
    surroundings = _surroundings(read)
    findings = list(analyze(surroundings, problems))
    notes = list(read.assumption_texts)
    if problems:
        notes.append("Effects on requests are checked once every resource is one that a cluster accepts.")
    else:
        try:
            registry = read.registry()
        except InputError as error:
            return report_of(error)
        where = read.inventory_position("proxies")
        translated = survey(
            registry, resources, _certificates(read, registry), where, runs=read.scenario is not None
        )
        findings += _against_scenario(read, translated)
        findings += effects_of(translated, connections=_connections(read))
        validation = _by_envoy(translated, where)
        findings += validation.findings
        notes += validation.notes
    return CheckReport(in_order(findings), tuple(notes))


def _certificates(read: Folder, registry: Registry) -> dict[str, ServerCertificate]:
    return known_certificates(read.scenario, registry, read.root) if read.scenario is not None else {}


def _against_scenario(read: Folder, found: Survey) -> Iterator[Finding]:
    """Say what the scenario has otherwise than the resources, as `run` would before its load.

    EB0016 for what it would refuse, EB0017 to EB0020 for what it would warn of.
    """
    scenario = read.scenario
    if scenario is None:
        return
    course = course_of(found.registry, read.resources, read.require_inventory(), scenario.traffic)
    configs = [course.known_to(here.config) for here in found.translated]
    for problem in (
        *undialled(found.registry, scenario.traffic, course.called, read.position),
        *unmet_demands(scenario, configs, read.position, read.root),
    ):
        yield Finding(Level.ERROR, "EB0016", problem.where, "", as_read(problem, RuleCase.INPUT_MISSING))
    if found.untranslated:
        # Who leads to which node is not known; `run` refuses it.
        return
    for each in foresee(scenario, configs, course.decisions, read.position):
        level, code = _FORESEEN[each.code]
        yield Finding(level, code, each.where, "", say(RuleCase.INPUT, what=each.what, remedy=each.advice))
    for missing in missing_stand_ins(scenario, configs):
        message = say(RuleCase.INPUT, what=missing.what, remedy=missing.advice)
        yield found.finding(Level.WARNING, "EB0019", missing.where or read.position("nodes"), message)


def _surroundings(read: Folder) -> Surroundings:
    """Give what the analyzer's rules look at."""
    resources, inventory = read.resources, read.require_inventory()
    if read.assumed is None:
        return Surroundings(resources, inventory)
    return Surroundings(
        resources, inventory, workloads_are_known=bool(resources.pods), proxies_are_assumed=True
    )


def _connections(read: Folder) -> int | None:
    """Give what the planned load keeps busy; None without a plan."""
    return read.scenario.traffic.connections.count if read.scenario is not None else None


def _by_envoy(found: Survey, fallback: Position) -> Validation:
    untried = untried_envoy()
    validation = validate(found, untried, fallback) if untried is not None else None
    if validation is not None and not validation.notes:
        return validation
    # There is none, or no verdict came: one that is proven to run speaks, or the reason why none does.
    try:
        envoy = find_envoy().path
    except BenchError as error:
        return Validation((), (f"Envoy did not validate the translation: {error}",))
    if validation is not None and envoy == untried:
        return validation
    return validate(found, envoy, fallback)


def exit_code(report: CheckReport, fail_on: FailOn = "error") -> int:
    """Give 2 for files that cannot be read, 1 when a finding is of the level *fail_on* or worse, else 0."""
    if not report.is_readable:
        return 2
    limit = Level.WARNING if fail_on == "warning" else Level.ERROR
    return int(any(finding.level >= limit for finding in report.findings))

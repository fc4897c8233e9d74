"""A summary in Markdown for ``$GITHUB_STEP_SUMMARY`` and merge requests: what to know without the report."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.verdict import judge
from bench.check import Finding, Level
from bench.errors import BenchError
from bench.report.answers import answers, figures
from bench.report.document import Table
from bench.report.exports.cases import suites_of
from bench.report.markdown import as_text, table_lines
from bench.result import Result

_MOST = 20
"""Failed cases and findings that are listed; the others are counted."""
_SIGNS = {0: "✅", 1: "❌", 3: "⚠️"}


def summary_of(result: Result) -> str:
    """Give verdict, answers, figures and what did not pass."""
    verdict = judge(result)
    sign = _SIGNS.get(verdict.exit_code, "⛔")
    lines = [
        f"## {sign} egress-bench: {as_text(result.scenario)}: {verdict.state}",
        "",
        as_text(verdict.sentence),
        "",
        *(f"- **{answer.question}:** {as_text(answer.text)}" for answer in answers(result)),
        "",
    ]
    if shown := figures(result):
        rows = tuple((figure.label, figure.value, figure.note) for figure in shown)
        lines += [*table_lines(Table(("figure", "value", "note"), rows, numbers_from=1)), ""]
    wrong = [
        (suite.name, case.name, case.message)
        for suite in suites_of(result)
        for case in suite.cases
        if case.outcome in {"failed", "error"}
    ]
    if wrong:
        lines += [*table_lines(Table(("of", "case", "why"), tuple(wrong[:_MOST]), numbers_from=3)), ""]
        lines += _more(len(wrong))
    warnings = [f"- {as_text(f'{warning.message} {warning.advice}')}" for warning in result.warnings]
    if warnings:
        lines += ["<details><summary>warnings</summary>", "", *warnings, "", "</details>", ""]
    return "\n".join(lines) + "\n"


def summary_of_findings(findings: Sequence[Finding]) -> str:
    """Give what ``check`` found, the worst first."""
    worst_first = sorted(findings, key=lambda finding: -finding.level)
    sign = "✅" if not findings else "❌" if any(each.level is Level.ERROR for each in findings) else "⚠️"
    count = f"{len(findings)} findings" if findings else "nothing found"
    lines = [f"## {sign} egress-bench check: {count}", ""]
    rows = tuple(
        (each.level.word, each.code, str(each.position), f"{each.reason} {each.remedy}")
        for each in worst_first[:_MOST]
    )
    if rows:
        lines += [*table_lines(Table(("level", "code", "where", "what"), rows, numbers_from=4)), ""]
    return "\n".join([*lines, *_more(len(findings))]) + "\n"


def summary_of_error(error: BenchError) -> str:
    """Give why the command could not do its job."""
    return f"## ⛔ egress-bench could not run\n\n{as_text(str(error))}\n\n"


def _more(count: int) -> list[str]:
    return [f"… and {count - _MOST} more.", ""] if count > _MOST else []

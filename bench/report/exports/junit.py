"""JUnit XML, as Jenkins, GitLab and GitHub's actions read it (Surefire's xunit-2 schema)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from bench.plain_text import shown
from bench.report.exports.cases import Case, Outcome, Suite

_OUTCOMES: tuple[tuple[Outcome, str, str], ...] = (
    ("failed", "failures", "failure"),
    ("error", "errors", "error"),
    ("skipped", "skipped", "skipped"),
)
_NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 has no way to write (its production ``Char``), beside control characters."""


def junit_of(suites: Sequence[Suite]) -> str:
    """Write the suites as one XML document."""
    root = ET.Element("testsuites", name="egress-bench")
    cases = [case for suite in suites for case in suite.cases]
    _count(root, Suite("", tuple(cases)))
    for suite in suites:
        element = ET.SubElement(root, "testsuite", name=_text(suite.name))
        _count(element, suite)
        for case in suite.cases:
            element.append(_case(suite, case))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _count(element: ET.Element, suite: Suite) -> None:
    element.set("tests", str(len(suite.cases)))
    for outcome, counter, _ in _OUTCOMES:
        element.set(counter, str(suite.count(outcome)))
    element.set("time", f"{sum(case.seconds or 0.0 for case in suite.cases):.3f}")


def _case(suite: Suite, case: Case) -> ET.Element:
    element = ET.Element("testcase", name=_text(case.name), classname=_text(suite.name))
    element.set("time", f"{case.seconds or 0.0:.3f}")
    if case.file is not None:
        element.set("file", _text(case.file))
    if case.line is not None:
        element.set("line", str(case.line))
    for outcome, _, tag in _OUTCOMES:
        if case.outcome == outcome:
            found = ET.SubElement(element, tag, message=_text(case.message))
            found.text = "\n".join(_text(line) for line in (case.details or case.message).splitlines())
    return element


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", shown(text))

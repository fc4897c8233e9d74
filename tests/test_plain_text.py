"""Text from elsewhere obeys no one: no control character of it reaches a terminal, Markdown or a page."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.console import Console
from bench.errors import LoadError
from bench.plain_text import escaped, shown
from bench.report import write_report
from bench.result import FailureExample, RunWarning, VerificationLine, read_result, write_result
from tests.report.synthetic import make_run

EVIL = "a\x1b[31mred\x1b]0;title\x07b\x9b2Jc\x00\x07\x08d\x7fe\u202egnp\u2066f\r\ng\x1bPq\x1b\\h\x1bci"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")


def test_sequences_go_whole_and_words_stay():
    assert shown(EVIL) == "aredbcdegnpf\nghi"


@given(st.text())
def test_nothing_of_any_text_is_a_control_character_afterwards(text):
    assert CONTROL.search(shown(text)) is None
    assert shown(shown(text)) == shown(text)


@given(st.text())
def test_a_json_document_says_the_same_and_holds_no_control_character(text):
    document = escaped(json.dumps({"a": text}, ensure_ascii=False))

    assert json.loads(document) == {"a": text}
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", document) is None


@pytest.mark.parametrize("act", ["error", "warning", "note", "say", "verification", "finish"])
def test_the_console_prints_no_control_character_of_others(tmp_path, act):
    out, err = io.StringIO(), io.StringIO()
    line = VerificationLine(name=EVIL, sent=EVIL, expected=EVIL, got=EVIL, node=EVIL, passed=False)
    warning = RunWarning(code="x", message=EVIL, advice=EVIL)
    with Console(stdout=out, stderr=err) as console:
        if act == "error":
            console.error(LoadError(EVIL, where=EVIL, remedy=EVIL))
        elif act == "warning":
            console.warning(warning)
        elif act == "verification":
            console.verification([line])
        elif act == "finish":
            result = read_result(make_run(tmp_path, rate=60, seconds=1))
            spoilt = {"state": "aborted", "reason": EVIL, "warnings": (warning,), "verification": (line,)}
            console.finish(result.model_copy(update=spoilt), None)
        else:
            getattr(console, act)(EVIL)

    printed = out.getvalue() + err.getvalue()
    assert "ed" in printed
    assert CONTROL.search(printed) is None


def test_report_and_markdown_hold_no_control_character_of_others(tmp_path):
    folder = make_run(tmp_path, rate=60, seconds=1)
    result = read_result(folder)
    example = FailureExample(
        trial=EVIL, subset=EVIL, reason=f"wrong-node:{EVIL}", request=EVIL, response=f"HTTP/1.1 200\r\n{EVIL}"
    )
    line = VerificationLine(name=EVIL, sent=EVIL, expected=EVIL, got=EVIL, node=EVIL, passed=False)
    spoilt = {"examples": (example,), "description": EVIL, "verification": (line,), "scenario": EVIL}
    write_result(folder, result.model_copy(update=spoilt))

    page = write_report(folder).read_text()

    assert CONTROL.search(page) is None
    assert CONTROL.search((folder / "report.md").read_text()) is None

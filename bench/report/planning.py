"""The page of a plan: replicas, what breaks first, what if, and YAML to paste."""

from __future__ import annotations

from pathlib import Path

from bench.report.document import Document, Facts, Figure, Listing, Note, Part, Section, Table
from bench.report.files import replace_file
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.sections.capacity import cost_model
from bench.report.text import UNKNOWN, micros, rate
from bench.result import CostModel, PlanQuestion, PlanResult, Result
from bench.units import format_bytes


class _Headline:
    """A plan is no judgement of a path, and has words of its own; what it warns of is worth a colour."""

    def __init__(self, answer: PlanResult) -> None:
        self.state = "plan" if not answer.warnings else "plan with reservations"
        self.sentence = plan_sentence(answer)


def write_plan(folder: Path, result: Result, model: CostModel, answer: PlanResult) -> Path:
    """Write ``plan.html`` and ``plan.md`` into a result folder; return the path of the HTML.

    Raises:
        InputError: the folder cannot be written.
    """
    document = _document(result, model, answer)
    page = folder / "plan.html"
    replace_file(folder / "plan.md", render_markdown(document))
    replace_file(page, render_html(document))
    return page


def plan_sentence(answer: PlanResult) -> str:
    """The answer in a sentence."""
    asked = answer.question
    lost = "a zone" if asked.zones > 1 else "a pod"
    return (
        f"{answer.replicas} replicas ({answer.replicas_low} to {answer.replicas_high} with 95 % confidence)"
        f" carry {asked.rate:,.6g} requests/s; {answer.with_spare} still do with {lost} lost."
        f" What breaks first is {answer.walls[0].name}: {answer.walls[0].text}."
    )


def plan_lines(answer: PlanResult, *, short: bool = False) -> list[str]:
    """The answer for a terminal; *short*: in one sentence."""
    if short:
        return [plan_sentence(answer)]
    return [
        plan_sentence(answer),
        "",
        f"{'one pod':<24}{answer.per_pod:,.0f} requests/s, {answer.cpu_us_per_request:,.0f} µs of CPU each",
        f"{'HPA target':<24}{answer.hpa_target_percent} % of the CPU request",
        *(f"{wall.name:<24}{wall.used:.0%}: {wall.text}" for wall in answer.walls),
        "",
        "what if",
        *(
            f"  {row.change:<26}{UNKNOWN if row.replicas is None else f'{row.replicas:,} replicas'}"
            f"{f'  ({row.note})' if row.note else ''}"
            for row in answer.what_if
        ),
        *(f"warning: {text}" for text in answer.warnings),
        "",
        answer.yaml.rstrip(),
    ]


def _document(result: Result, model: CostModel, answer: PlanResult) -> Document:
    asked = answer.question
    return Document(
        title=f"{result.scenario}: how many replicas?",
        description=f"From the cost model of run {result.run_id}.",
        byline=(
            ("rate", f"{rate(asked.rate)} requests/s"),
            ("new connections", f"{asked.new_connections:g} for each request, {asked.resumed:.0%} resumed"),
            ("body", f"{asked.body_bytes:,} bytes"),
            ("pod", f"{asked.cpu_per_pod:g} CPUs{_memory(asked)}, {asked.headroom:.0%} free"),
            ("zones", str(asked.zones)),
        ),
        verdict=_Headline(answer),
        figures=(
            Figure("replicas", f"{answer.replicas:,}", f"{answer.replicas_low} to {answer.replicas_high}"),
            Figure("with spare", f"{answer.with_spare:,}", "one zone or pod lost"),
            Figure(
                "one pod", f"{rate(answer.per_pod)}/s", f"{micros(answer.cpu_us_per_request)} µs a request"
            ),
            Figure("HPA target", f"{answer.hpa_target_percent} %", "of the CPU request"),
        ),
        answers=(),
        sections=(_plan(answer), cost_model((model,))),
    )


def _memory(asked: PlanQuestion) -> str:
    if asked.memory_per_pod_bytes is None:
        return ""
    return f", {format_bytes(asked.memory_per_pod_bytes)}, {asked.connections:,} client connections in all"


def _plan(answer: PlanResult) -> Section:
    parts: list[Part] = [
        *(Note(text, "bad") for text in answer.warnings),
        Facts(
            tuple((wall.name, f"{wall.used:.0%}: {wall.text}") for wall in answer.walls), "What breaks first"
        ),
        Table(
            columns=("what if", "replicas", ""),
            rows=tuple(
                (row.change, UNKNOWN if row.replicas is None else f"{row.replicas:,}", row.note)
                for row in answer.what_if
            ),
            caption="The same question with one thing changed; for the rate alone, without spare.",
        ),
        Listing("Resources and autoscaler, to be pasted", answer.yaml),
    ]
    return Section(
        "plan",
        "Plan",
        tuple(parts),
        "CPU and memory by the fitted models at the target utilisation; local ports by Linux defaults,"
        " towards one address.",
    )

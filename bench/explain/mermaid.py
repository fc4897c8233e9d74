"""A trace as a Mermaid flowchart, for documents: GitHub, GitLab and most wikis draw it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.explain.answers import percent
from bench.explain.trace import Branch, Hop, Step, Trace
from bench.explain.tree import describe_outcome

_SHOWN = ("listener", "virtual host", "route", "cluster", "tls", "endpoint")


def mermaid(trace: Trace) -> str:
    """Draw *trace*: a box for each proxy with its decisions, an arrow for each branch."""
    request = trace.request
    drawing = _Drawing()
    client = drawing.node(
        f"{request.method} {request.url}", *(f"{k}: {v}" for k, v in request.headers.items())
    )
    drawing.hop(trace.hop, client, "")
    return "\n".join(["flowchart LR", *drawing.lines])


class _Drawing:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def node(self, *texts: str, shape: str = "box") -> str:
        name = f"n{self._count}"
        self._count += 1
        label = "<br/>".join(_escaped(text) for text in texts)
        opening, closing = {"box": ("[", "]"), "end": ("([", "])")}[shape]
        self.lines.append(f'  {name}{opening}"{label}"{closing}')
        return name

    def arrow(self, start: str, end: str, label: str) -> None:
        middle = f"|{_escaped(label)}|" if label else ""
        self.lines.append(f"  {start} -->{middle} {end}")

    def hop(self, hop: Hop, start: str, label: str) -> None:
        name = self.node(f"{hop.proxy} ({hop.role})", *_texts(hop.steps))
        self.arrow(start, name, label)
        for branch in hop.branches:
            self._branch(branch, name)

    def _branch(self, branch: Branch, start: str) -> None:
        texts = list(_texts(branch.steps))
        label = "" if branch.probability >= 1 else percent(branch.probability)
        if texts:
            name = self.node(*texts)
            self.arrow(start, name, label)
            start, label = name, ""
        if branch.hop is not None:
            self.hop(branch.hop, start, label)
        elif branch.outcome is not None:
            end = self.node(describe_outcome(branch.outcome), shape="end")
            self.arrow(start, end, label)


def _texts(steps: tuple[Step, ...]) -> Iterator[str]:
    for step in steps:
        if step.kind in _SHOWN:
            yield f"{step.kind}: {step.text}"


def _escaped(text: str) -> str:
    """Write what Mermaid would read as its own syntax by its codes."""
    for sign, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("|", "#124;")):
        text = text.replace(sign, code)
    return text.replace("\n", " ")

"""How tests ask for a verdict on one spec."""

from __future__ import annotations

import yaml

from bench.istio.load import survey_text
from bench.istio.problem import Problem, path_text


def refused_fields(kind: str, spec: str, *, name: str = "a", metadata: str = "") -> list[str]:
    """The fields that are refused in a resource of *kind* with *spec* (YAML), without their ``spec.``."""
    head = {"apiVersion": "networking.istio.io/v1", "kind": kind}
    head["metadata"] = {"name": name, **(yaml.safe_load(metadata) or {})}
    indented = "\n".join("  " + line for line in spec.strip().splitlines())
    survey = survey_text(yaml.safe_dump(head) + "spec:\n" + indented + "\n", "f.yaml")
    return [_field(problem) for problem in survey.problems]


def warned_fields(kind: str, spec: str) -> list[str]:
    """As :func:`refused_fields`, of the warnings of a resource that is accepted."""
    indented = "\n".join("  " + line for line in spec.strip().splitlines())
    text = f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n{indented}\n"
    survey = survey_text(text, "f.yaml")
    assert survey.problems == ()
    return [_field(warning) for warning in survey.resources.warnings]


def _field(problem: Problem) -> str:
    return path_text(problem.path).removeprefix("spec.")

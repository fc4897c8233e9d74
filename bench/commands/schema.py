"""``egress-bench schema``: what result.json and scenario.yaml may hold, for programs and editors."""

from __future__ import annotations

import json
from typing import Literal

from bench.environment import package_version
from bench.result import SCHEMA_VERSION, Result
from bench.scenario import Scenario

Kind = Literal["result", "scenario"]


def schema_of(kind: Kind) -> str:
    """Write the JSON Schema (2020-12) of a file; that of results names the version that it is of."""
    match kind:
        case "result":
            schema = Result.model_json_schema(mode="serialization")
            title = f"egress-bench result.json, schema version {SCHEMA_VERSION}"
        case "scenario":
            schema = Scenario.model_json_schema(mode="validation")
            title = f"egress-bench scenario.yaml, version {package_version('egress-bench')}"
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(head, indent=1, ensure_ascii=False) + "\n"

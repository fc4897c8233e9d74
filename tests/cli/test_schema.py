"""The published JSON Schema accepts what runs write, and refuses what they do not."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from bench import cli
from bench.scenario.load import load_scenario
from tests.report.synthetic import make_run


def schema(kind):
    shown = CliRunner().invoke(cli.app, ["schema", kind])
    assert shown.exit_code == 0
    document = json.loads(shown.output)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_a_result_is_what_its_schema_says(tmp_path):
    validator = schema("result")
    result = json.loads((make_run(tmp_path) / "result.json").read_text())

    validator.validate(result)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**result, "fingerprint": 3})


def test_a_shipped_scenario_is_what_its_schema_says():
    loaded = load_scenario(Path("scenarios/egress-mtls"))

    schema("scenario").validate(json.loads(loaded.scenario.model_dump_json(by_alias=True)))
    with pytest.raises(jsonschema.ValidationError):
        schema("scenario").validate(yaml.safe_load("name: x"))

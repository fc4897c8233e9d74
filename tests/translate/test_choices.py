"""Choices of an experiment, put into the translated clusters that originate TLS."""

import json

import yaml

from bench.translate import Placement, RenderOptions, render, translate
from tests.translate.conftest import WALKTHROUGH, registry_of, walkthrough_inventory


def tls_contexts(**options):
    """The TLS settings of the gateway's clusters."""
    config = translate(registry_of(WALKTHROUGH, walkthrough_inventory()), "egress", config_source="static")
    files = render(config, Placement("/config", "/logs"), RenderOptions("egress", **options))
    clusters = next(yaml.safe_load(file.text) for file in files if "cds" in file.path)["resources"]
    return [
        each["transport_socket"]["typed_config"]["common_tls_context"]
        for each in clusters
        if "UpstreamTlsContext" in json.dumps(each)
    ]


def test_a_gateway_that_presents_no_certificate_still_verifies_the_node():
    for shown, bare in zip(tls_contexts(), tls_contexts(presents_certificate=False), strict=True):
        assert "tls_certificate_sds_secret_configs" in shown
        assert "tls_certificate_sds_secret_configs" not in bare
        assert bare["combined_validation_context"] == shown["combined_validation_context"]


def test_one_tls_version_can_be_the_only_one():
    for context in tls_contexts(tls_versions=("TLSv1_3", "TLSv1_3")):
        assert set(context["tls_params"].values()) == {"TLSv1_3"}

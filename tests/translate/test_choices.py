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


def test_an_envoy_that_is_restarted_to_change_has_everything_but_secrets_in_its_bootstrap():
    config = translate(registry_of(WALKTHROUGH, walkthrough_inventory()), "egress", config_source="static")
    placement = Placement("/config", "/logs")
    watched = render(config, placement, RenderOptions("egress"))
    *secrets, whole = render(config, placement, RenderOptions("egress", all_in_bootstrap=True))

    assert secrets
    assert secrets == [file for file in watched if file.path.startswith("xds/sds/")]
    assert whole.path == "bootstrap.yaml"
    bootstrap = yaml.safe_load(whole.text)
    assert "dynamic_resources" not in bootstrap
    resources = bootstrap["static_resources"]
    assert [each["name"] for each in resources["clusters"]] == [each.name for each in config.clusters]
    assert [each["name"] for each in resources["listeners"]] == [each.name for each in config.listeners]
    assert '"rds"' not in json.dumps(resources)
    for route in config.routes:
        assert f'"route_config": {{"name": "{route.name}"' in json.dumps(resources)
    assert config.secret_watches == 2 * len(secrets)

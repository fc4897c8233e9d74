"""Folders and texts of YAML to typed resources, and everything that can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import InputError
from bench.istio.load import load_folder, load_text, survey_folder, survey_text
from bench.istio.problem import InvalidResourcesError
from tests.support.effort import growth

ENTRY = """\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: {name}
spec:
  hosts: [{name}.shop.example]
  resolution: DNS
  ports:
  - {{number: 443, name: tls, protocol: TLS}}
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(InvalidResourcesError) as caught:
        load_text(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


def service(spec: str, kind: str = "VirtualService") -> str:
    indented = "\n".join("  " + line for line in spec.splitlines())
    return f"apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n{indented}\n"


def test_resources_come_typed_in_document_order_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(ENTRY.format(name="late"))
    (tmp_path / "a.yaml").write_text(ENTRY.format(name="one") + "---\n" + ENTRY.format(name="two"))
    (tmp_path / "notes.txt").write_text("not: [yaml")
    (tmp_path / ".hidden.yaml").write_text("not: [yaml")
    (tmp_path / "scenario.yaml").write_text("name: mine\n")
    (tmp_path / "inventory.yaml").write_text("proxies: {}\n")

    resources = load_folder(tmp_path)

    assert [entry.name for entry in resources.service_entries] == ["one", "two", "late"]
    assert [resource.order for resource in resources] == [0, 1, 2]
    assert [resource.namespace for resource in resources] == ["default"] * 3
    assert f"{tmp_path}/a.yaml:16" == str(resources.service_entries[1].position(("spec", "hosts")))
    assert resources.service_entries[0].spec.resolution == "DNS"
    assert resources.warnings == ()


def test_a_list_is_unrolled_and_its_items_keep_their_lines() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: shop}\n"
        "- apiVersion: v1\n  kind: Service\n  metadata: {name: web, namespace: shop, labels: {a: b}}\n"
        "  spec:\n    clusterIP: None\n    ports:\n    - port: 80\n      targetPort: web\n"
    )

    resources = load_text(text, "f.yaml")

    (web,) = resources.services
    assert (web.namespace, web.labels, web.spec.is_headless) == ("shop", {"a": "b"}, True)
    assert web.spec.ports[0].target_port == "web"
    assert str(web.position(("spec", "ports", 0, "targetPort"))) == "f.yaml:14"
    assert resources.namespaces[0].namespace == ""


def test_kubernetes_objects_may_have_fields_that_are_not_read() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, creationTimestamp: null, uid: x}\n"
        "spec: {containers: [{name: c, image: i, ports: [{containerPort: 80, name: web}]}], volumes: null}\n"
        "status: {podIP: 10.0.0.1, conditions: [{type: Ready}]}\n---\n"
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\naddressType: IPv4\n"
        "ports: [{port: 80, name: web}]\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: true}}]\n"
    )

    resources = load_text(text, "f.yaml")

    assert resources.pods[0].spec.status.pod_ip == "10.0.0.1"
    assert resources.endpoint_slices[0].spec.endpoints[0].addresses == ("10.0.0.1",)


def test_all_three_api_versions_are_served() -> None:
    for version in ("v1", "v1beta1", "v1alpha3"):
        assert len(load_text(ENTRY.format(name="a").replace("istio.io/v1", f"istio.io/{version}"), "f")) == 1


def test_absent_empty_and_zero_can_be_distinguished() -> None:
    text = service(
        "hosts: [web]\nhttp:\n- match:\n  - headers: {a: {}, b: {exact: ''}, c: {prefix: x}}\n  - port: 0\n"
        "  route: [{destination: {host: web}}]\n  retries: {attempts: 0}\n"
    )

    (rule,) = load_text(text, "f.yaml").virtual_services[0].spec.http

    headers = rule.match[0].headers
    assert (headers["a"].exact, headers["b"].exact, headers["c"].prefix) == (None, "", "x")
    assert "port" in rule.match[1].model_fields_set
    assert "port" not in rule.match[0].model_fields_set
    assert rule.retries is not None
    assert rule.redirect is None


def test_models_cannot_be_changed() -> None:
    resource = load_text(ENTRY.format(name="a"), "f.yaml").service_entries[0]

    with pytest.raises(ValueError, match="frozen"):
        resource.spec.resolution = "NONE"


def test_all_faults_are_reported_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("kind: [\n")
    (tmp_path / "a.yaml").write_text(
        service("hosts: web\nhttp:\n- timeOut: 3s\n  route: [{weight: '1', destination: {hots: web}}]")
    )

    with pytest.raises(InvalidResourcesError) as caught:
        load_folder(tmp_path)

    lines = str(caught.value).splitlines()
    assert lines[0] == "6 problems in the Istio YAML:"
    assert [
        line.removeprefix(f"  {tmp_path}/").removesuffix(" Did you mean timeout?") for line in lines[1:3]
    ] == [
        'a.yaml:5: VirtualService default/web: spec.hosts must be a list, not the text "web".',
        "a.yaml:7: VirtualService default/web: spec.http[0].timeOut is not a known field.",
    ]
    assert "b.yaml:2: not valid YAML" in lines[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "f.yaml:1: a resource is an object, not a list."),
        ("metadata: {name: a}\n", "f.yaml:1: this document has no kind."),
        ("kind: Gateway\n", "f.yaml:1: this Gateway has no apiVersion."),
        ("\n\nkind: 5\n", "f.yaml:3: this document has no kind."),
        (
            ENTRY.format(name="a").replace("v1\n", "v2\n"),
            "f.yaml:1: ServiceEntry is not served as networking.istio.io/v2. Istio has v1, v1beta1",
        ),
        (
            ENTRY.format(name="a").replace("ServiceEntry", "ServiceEntrys"),
            "f.yaml:2: Istio has no kind ServiceEntrys. Did you mean ServiceEntry?",
        ),
        (
            ENTRY.format(name="a").replace("  name: a\n", "  namespace: x\n"),
            "f.yaml:3: ServiceEntry: metadata.name is required.",
        ),
        (
            ENTRY.format(name="a").replace("metadata:\n  name: a\n", ""),
            "f.yaml:1: ServiceEntry: metadata with a name is required.",
        ),
        (
            ENTRY.format(name="a").replace("  name: a\n", "  name: a\n  labels: {version: 1}\n"),
            (
                "f.yaml:5: ServiceEntry default/a: metadata.labels.version must be a text, not the number 1. "
                "Put it in quotes."
            ),
        ),
        (
            ENTRY.format(name="a") + "spce: {}\n",
            "f.yaml:10: ServiceEntry default/a: spce is not a known field. Did you mean spec?",
        ),
        (
            ENTRY.format(name="a").replace("DNS", "dns"),
            (
                "f.yaml:7: ServiceEntry default/a: spec.resolution must be one of NONE, STATIC, DNS, "
                'DNS_ROUND_ROBIN, DYNAMIC_DNS, not the text "dns". Did you mean DNS?'
            ),
        ),
        (
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a}\n",
            "f.yaml:1: WorkloadEntry default/a: has no spec.",
        ),
        ("apiVersion: v1\nkind: List\nitems: {}\n", "f.yaml:3: a List has items, which is a list."),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  ports:\n  - port: '80'\n",
            (
                'f.yaml:6: Service default/s: spec.ports[0].port must be a whole number, not the text "80". '
                "Write it without quotes."
            ),
        ),
    ],
)
def test_a_fault_is_reported_with_place_field_and_advice(text: str, expected: str) -> None:
    (problem,) = problems_of(text)

    assert problem.startswith(expected)


def test_a_resource_that_is_defined_twice_is_refused() -> None:
    (problem,) = problems_of(ENTRY.format(name="a") + "---\n" + ENTRY.format(name="a"))

    assert "f.yaml:14: ServiceEntry default/a is defined twice, first at f.yaml:4." in problem


def test_a_null_is_refused_where_the_api_server_refuses_it() -> None:
    (problem,) = problems_of(
        service("hosts: [web]\nhttp:\n- retries:\n  route: [{destination: {host: web}}]")
    )

    assert "f.yaml:7: VirtualService default/web: spec.http[0].retries must not be null" in problem
    rule = service(
        "host: web\ntrafficPolicy: {outlierDetection: {consecutive5xxErrors: null}}", "DestinationRule"
    )
    assert len(load_text(rule, "f.yaml")) == 1


def test_only_one_field_of_a_choice_may_be_written() -> None:
    (problem,) = problems_of(
        service("hosts: [web]\nhttp:\n- redirect: {port: 80, derivePort: FROM_REQUEST_PORT}")
    )

    assert "spec.http[0].redirect only one of port and derivePort may be set" in problem


def test_kinds_that_are_not_read_are_named_and_skipped() -> None:
    text = ENTRY.format(name="a") + "---\napiVersion: apps/v1\nkind: ControllerRevision\n---\n"
    text += "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a}\n"

    resources = load_text(text, "f.yaml")

    assert len(resources) == 1
    skipped = "is not read here and was skipped."
    assert [(str(each.where), each.resource, each.what) for each in resources.warnings] == [
        ("f.yaml:12", "ControllerRevision", f"ControllerRevision (apps/v1) {skipped}"),
        ("f.yaml:15", "Sidecar default/a", f"Sidecar (networking.istio.io/v1) {skipped}"),
    ]


def test_a_misspelt_field_of_the_metadata_is_a_warning() -> None:
    text = ENTRY.format(name="a").replace("  name: a\n", "  name: a\n  lables: {a: b}\n  uid: x\n")

    (warning,) = load_text(text, "f.yaml").warnings

    assert str(warning) == (
        "f.yaml:5: ServiceEntry default/a: metadata.lables is not a known field and has no effect. "
        "Did you mean labels?"
    )


def test_the_gateway_of_the_gateway_api_is_another_kind() -> None:
    text = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {}\n"

    resources = load_text(text, "f.yaml")

    assert (len(resources), len(resources.warnings)) == (0, 1)


def test_a_survey_keeps_what_istio_refuses_beside_its_problems() -> None:
    survey = survey_text(service("hosts: ['*']\nhttp: [{route: [{destination: {host: web}}]}]"), "f.yaml")

    assert len(survey.resources.virtual_services) == 1
    assert [problem.stage for problem in survey.problems] == ["webhook"]


def test_a_file_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")

    with pytest.raises(
        InvalidResourcesError, match=r"a.yaml:2: byte 0xe9 is not UTF-8. Save the file in UTF-8."
    ):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    "content", [None, "", "# nothing\n", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}"]
)
def test_a_folder_without_istio_yaml_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a.yaml").write_text(content)

    with pytest.raises(InputError, match="there is no Istio resource here"):
        load_folder(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        load_folder(tmp_path / "nowhere")


def test_a_folder_below_without_any_resource_is_left_alone_and_named(tmp_path: Path) -> None:
    """Proxies' configurations and recorded answers lie beside the YAML of a case."""
    (tmp_path / "a.yaml").write_text(ENTRY.format(name="a"))
    for name, text in (
        ("expected", "name: outbound\n"),
        ("lists", '{"kind": "List", "apiVersion": "v1", "items": []}'),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.json").write_text(text)

    survey = survey_folder(tmp_path)

    assert survey.problems == ()
    assert [path.name for path in survey.files] == ["a.yaml", "b.json"]
    assert [Path(each.where.file).name for each in survey.resources.warnings] == ["expected"]


def test_folders_below_are_read_without_hidden_ones_and_those_of_other_scenarios(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ENTRY.format(name="a"))
    for name in ("below", "below/deeper", "other", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "b.yaml").write_text(ENTRY.format(name=name.replace("/", "-").strip(".")))
    (tmp_path / "other" / "inventory.yaml").write_text("proxies: {}")

    survey = survey_folder(tmp_path)

    assert survey.problems == ()
    assert {each.name for each in survey.resources} == {"a", "below", "below-deeper"}


def test_lists_within_lists_end_somewhere() -> None:
    lines = ["apiVersion: v1", "kind: List", "items:", "- &l0 {apiVersion: v1, kind: List, items: []}"]
    lines += [f"- &l{n} {{apiVersion: v1, kind: List, items: [*l{n - 1}]}}" for n in range(1, 30)]

    problems = problems_of("\n".join(lines))

    assert all("not unrolled any further" in problem for problem in problems)


def test_ten_thousand_documents_in_one_file_load() -> None:
    text = "---\n".join(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{n}}}\n" for n in range(10_000))

    assert len(load_text(text, "f.yaml")) == 10_000


def test_loading_grows_linearly() -> None:
    def load(count: int):
        text = "---\n".join(ENTRY.format(name=f"e{n}") for n in range(count))
        return lambda: load_text(text, "f.yaml")

    assert growth(load, size=200) < 2.1


def test_a_route_of_the_gateway_api_is_named_with_the_virtual_service_that_says_the_same() -> None:
    text = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: out, namespace: edge}]
  hostnames: [a.test]
  rules: [{backendRefs: [{name: web, namespace: shop, port: 80, weight: 3}]}]
"""
    (warning,) = load_text(text, "f.yaml").warnings

    assert warning.resource == "HTTPRoute shop/web"
    assert warning.remedy is not None
    assert "hosts: [a.test], gateways: [edge/out], http: [{route: [{destination: {host: " in warning.remedy
    assert "web.shop.svc.cluster.local, port: {number: 80}}, weight: 3}]}]" in warning.remedy
    for odd in ("spec: 1", "spec: {rules: [1, {backendRefs: [2]}], parentRefs: x}"):
        assert load_text(text.split("spec:", maxsplit=1)[0] + odd, "f.yaml").warnings

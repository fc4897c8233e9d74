"""Objects of other groups that describe the surroundings: Service, EndpointSlice, Pod and so on."""

from pydantic import Field

from bench.istio.models.fields import Flag, Labels, LenientModel, Text, UInt32


class ServicePort(LenientModel):
    """A port of a Service; an unset ``target_port`` means ``port``, a text names a container port."""

    name: Text = ""
    port: UInt32
    protocol: Text = "TCP"
    app_protocol: Text = ""
    target_port: UInt32 | Text | None = None


class Service(LenientModel):
    """The ``spec`` of a Service. A ``cluster_ip`` of ``None`` (text) makes it headless."""

    type: Text = "ClusterIP"
    cluster_ip: Text = Field(default="", alias="clusterIP")
    cluster_ips: tuple[Text, ...] = Field(default=(), alias="clusterIPs")
    external_ips: tuple[Text, ...] = Field(default=(), alias="externalIPs")
    external_name: Text = ""
    selector: Labels = Field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    publish_not_ready_addresses: Flag = False
    session_affinity: Text = ""
    internal_traffic_policy: Text = ""
    traffic_distribution: Text = ""

    @property
    def is_headless(self) -> bool:
        """Whether the Service has no address of its own on purpose."""
        return self.cluster_ip == "None"


class EndpointPort(LenientModel):
    """A port of all endpoints of a slice."""

    name: Text = ""
    port: UInt32 | None = None
    protocol: Text = "TCP"
    app_protocol: Text = ""


class EndpointConditions(LenientModel):
    """What is known of an endpoint's health; ``None`` is unknown and counts as ready."""

    ready: Flag | None = None


class ObjectReference(LenientModel):
    """The object behind an endpoint."""

    kind: Text = ""
    name: Text = ""
    namespace: Text = ""


class Endpoint(LenientModel):
    """One endpoint of a slice; all its addresses are of the same Pod."""

    addresses: tuple[Text, ...] = ()
    conditions: EndpointConditions = Field(default_factory=EndpointConditions)
    hostname: Text = ""
    node_name: Text = ""
    zone: Text = ""
    target_ref: ObjectReference | None = None


class EndpointSlice(LenientModel):
    """An EndpointSlice: it has no ``spec``, its fields are at the top level."""

    address_type: Text = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Namespace(LenientModel):
    """A Namespace: only its metadata matters."""


class ContainerPort(LenientModel):
    """A port of a container, which a Service may name."""

    name: Text = ""
    container_port: UInt32
    protocol: Text = "TCP"


class Container(LenientModel):
    """A container of a Pod."""

    name: Text = ""
    ports: tuple[ContainerPort, ...] = ()


class PodSpec(LenientModel):
    """What a Pod runs."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    node_name: Text = ""
    service_account_name: Text = ""


class PodStatus(LenientModel):
    """Where a Pod is reached."""

    pod_ip: Text = Field(default="", alias="podIP")
    phase: Text = ""


class Pod(LenientModel):
    """A Pod with its ``spec`` and ``status``."""

    spec: PodSpec = Field(default_factory=PodSpec)
    status: PodStatus = Field(default_factory=PodStatus)


class TemplateMetadata(LenientModel):
    """What the Pods of a template have."""

    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


class PodTemplate(LenientModel):
    """The Pods that a Deployment and its like make."""

    metadata: TemplateMetadata = Field(default_factory=TemplateMetadata)
    spec: PodSpec = Field(default_factory=PodSpec)


class Deployment(LenientModel):
    """The ``spec`` of a Deployment, a StatefulSet, a DaemonSet or a ReplicaSet: its Pods, and how many."""

    template: PodTemplate = Field(default_factory=PodTemplate)
    replicas: int = 1


class Secret(LenientModel):
    """A Secret: only the analyzer asks whether it is there and has a certificate."""

    type: Text = ""
    data: Labels = Field(default_factory=dict)
    """Base64 texts."""
    string_data: Labels = Field(default_factory=dict)


class LabelSelector(LenientModel):
    """Labels of the workloads that a policy holds for."""

    match_labels: Labels = Field(default_factory=dict)


class RequestAuthentication(LenientModel):
    """The ``spec`` of a RequestAuthentication: only the analyzer asks for which workloads there is one."""

    selector: LabelSelector = Field(default_factory=LabelSelector)

    @property
    def selected_labels(self) -> Labels:
        """The labels; none is every workload of the namespace."""
        return self.selector.match_labels

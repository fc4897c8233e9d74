"""ServiceEntry: a host outside of the mesh, or a service with endpoints of one's own."""

from typing import Annotated, Literal

from pydantic import Field

from bench.istio.models.fields import MayBeAbsent, StrictModel, Text, UInt32
from bench.istio.models.workload_entry import WorkloadEntry

Location = Literal["MESH_EXTERNAL", "MESH_INTERNAL"]
Resolution = Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]


class ServicePort(StrictModel):
    """A port of the service; an unset ``target_port`` means ``number``."""

    number: UInt32
    name: Annotated[Text, Field(max_length=256)]
    protocol: Annotated[Text, Field(max_length=256)] = ""
    target_port: MayBeAbsent[UInt32] = None


class WorkloadSelector(StrictModel):
    """Labels of the workloads that are the endpoints."""

    labels: Annotated[dict[Text, Annotated[Text, Field(max_length=63)]], Field(max_length=256)] = Field(
        default_factory=dict
    )


class ServiceEntry(StrictModel):
    """The ``spec`` of a ServiceEntry."""

    hosts: Annotated[tuple[Text, ...], Field(min_length=1, max_length=256)]
    addresses: Annotated[tuple[Annotated[Text, Field(max_length=64)], ...], Field(max_length=256)] = ()
    ports: Annotated[tuple[ServicePort, ...], Field(max_length=256)] = ()
    location: Location = "MESH_EXTERNAL"
    resolution: Resolution = "NONE"
    endpoints: Annotated[tuple[WorkloadEntry, ...], Field(max_length=4096)] = ()
    workload_selector: MayBeAbsent[WorkloadSelector] = None
    export_to: tuple[Text, ...] = ()
    subject_alt_names: tuple[Text, ...] = ()

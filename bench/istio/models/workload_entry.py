"""WorkloadEntry: one endpoint, alone or within a ServiceEntry."""

from typing import Annotated

from pydantic import Field

from bench.istio.models.fields import StrictModel, Text, UInt32


class WorkloadEntry(StrictModel):
    """The ``spec`` of a WorkloadEntry, and an entry of a ServiceEntry's ``endpoints``."""

    address: Annotated[Text, Field(max_length=256)] = ""
    ports: Annotated[dict[Text, UInt32], Field(max_length=128)] = Field(default_factory=dict)
    labels: Annotated[dict[Text, Text], Field(max_length=256)] = Field(default_factory=dict)
    network: Annotated[Text, Field(max_length=2048)] = ""
    locality: Annotated[Text, Field(max_length=2048)] = ""
    weight: UInt32 = 0
    service_account: Annotated[Text, Field(max_length=253)] = ""

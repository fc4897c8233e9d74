"""The traffic of a scenario: who calls what, how often, over how many connections, for how long."""

import ipaddress
from typing import Any, Self

from pydantic import AliasChoices, ConfigDict, Field, field_validator, model_validator

from bench.istio.decode import FieldError
from bench.scenario.requests import MixedRequest, Request, RequestUrl, misfit, resolve
from bench.scenario.traffic import MOST_REQUESTS, Connections, Constant, Duration, Schedule, mean_rate
from bench.scenario.written import Written

ALL_SUBSETS = "all"
"""What figures of all requests together are called."""


class Traffic(Written):
    """The load: who calls what, how often, over how many connections, for how long."""

    model_config = ConfigDict(populate_by_name=True)

    client: str
    """The proxy of the inventory beside which the client runs; of several ``clients`` the first."""
    clients: tuple[str, ...] = ()
    """Proxies beside each of which a client runs; absent: ``client`` alone."""
    gateway: str | None = None
    """The proxy of the inventory that leaves the mesh; absent: sidecars leave it themselves."""
    url: RequestUrl | None = None
    """Of all requests that have none of their own."""
    requests: dict[str, Request] = Field(
        min_length=1, validation_alias=AliasChoices("requests", "subsets"), alias_priority=2
    )
    """The mix; ``subsets`` is another word for it, of a traffic to one URL."""
    addresses: dict[str, str] = Field(default_factory=dict)
    """Host name of a URL -> the IP address that its DNS gives the client; absent: one that the resources
    give it. It decides where a ServiceEntry has resolution NONE, or a block of addresses."""
    schedule: Schedule = Constant(arrival_rate=500)
    """When requests are due in the measured stage."""
    connections: Connections = Connections()
    """How the clients hold their connections."""
    warm_up_s: Duration = 2
    """Seconds of load before each measured stage; counted in the ledger, not in the figures."""
    measure_s: Duration = 8
    """Seconds of each measured stage."""
    blocks: int = Field(default=4, ge=1, le=10_000)
    """Blocks of one static and one eds trial each, in the order A B, B A, A B …"""
    workers: int = Field(default=1, ge=1, le=1000)
    """Locust worker processes."""

    @model_validator(mode="before")
    @classmethod
    def _one_word_each(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if "requests" in value and "subsets" in value:
            raise ValueError("requests and subsets mean the same: write one of them")
        clients = value.get("clients")
        if "client" not in value and isinstance(clients, list | tuple) and clients:
            return {**value, "client": clients[0]}
        return value

    @field_validator("addresses")
    @classmethod
    def _are_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        for host, address in value.items():
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ValueError(f"{address!r} of {host} is not an IP address") from None
        return {host.lower(): address for host, address in value.items()}

    @field_validator("requests")
    @classmethod
    def _names_are_free(cls, value: dict[str, Request]) -> dict[str, Request]:
        if ALL_SUBSETS in value:
            raise ValueError(
                f"no subset may be called {ALL_SUBSETS!r}: figures of all subsets together have that name"
            )
        for name in value:
            if ":" in name:
                raise ValueError(f"{name!r} has a colon, which separates a family's name from its members")
        return value

    @model_validator(mode="after")
    def _is_sendable(self) -> Self:
        if self.clients and self.client not in self.clients:
            raise ValueError(f"client {self.client!r} is not in clients: write one of the two")
        if len(set(self.clients)) != len(self.clients):
            raise ValueError("clients names one twice")
        for name, request in self.requests.items():
            url = request.url or self.url
            if url is None:
                raise ValueError(f"request {name!r} has no url, and the traffic has none for it")
            fault = misfit(request, url)
            if fault is not None:
                raise ValueError(f"request {name!r}: {fault}")
            for client in request.clients:
                if client not in self.senders:
                    raise FieldError(
                        ("requests", name, "clients"),
                        f"names client {client!r}; clients are {', '.join(self.senders)}",
                    )
        rate = mean_rate(self.schedule) or 0.0
        if rate * max(self.warm_up_s, self.measure_s) > MOST_REQUESTS:
            raise ValueError(f"rate and duration make more than {MOST_REQUESTS:,} requests in a stage")
        return self

    @property
    def senders(self) -> tuple[str, ...]:
        """The proxies beside which clients run."""
        return self.clients or (self.client,)

    @property
    def exits(self) -> tuple[str, ...]:
        """The proxies that leave the mesh."""
        return (self.gateway,) if self.gateway is not None else self.senders

    @property
    def exit(self) -> str:
        """The first of them."""
        return self.exits[0]

    @property
    def mix(self) -> tuple[MixedRequest, ...]:
        """Every kind of request of every client."""
        senders = self.senders
        return tuple(
            each
            for key, request in self.requests.items()
            for each in resolve(
                key, request, url=self.url or "", clients=senders, is_only_client=len(senders) == 1
            )
        )

    @property
    def first(self) -> MixedRequest:
        """The request that represents all where only one can: one that proxies can read, if there is any."""
        return next((each for each in self.mix if each.is_plain_http), self.mix[0])

    @property
    def host(self) -> str:
        """Host of the first request, with its port where one is written."""
        return self.first.authority

    @property
    def port(self) -> int:
        """The port that the first request calls."""
        return self.first.port

    @property
    def path(self) -> str:
        """Path and query of the first request."""
        return self.first.path

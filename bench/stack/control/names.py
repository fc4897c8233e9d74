"""What both ends of the control plane call its services."""

ADS = "envoy.service.discovery.v3.AggregatedDiscoveryService"
DOOR = "egress_bench.ControlPlane"

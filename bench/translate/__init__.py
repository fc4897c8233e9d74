"""Pure: Istio registry in, Envoy v3 messages out. One file for each Envoy resource."""

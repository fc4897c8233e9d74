"""Benchmark and load verification for Istio-style egress on real Envoy."""

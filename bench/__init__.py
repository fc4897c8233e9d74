"""Benchmark and load verification for Istio-style egress on real Envoy."""

from bench.lazy_messages import install

# Before any module of this package imports Envoy's messages, whichever it is.
install()

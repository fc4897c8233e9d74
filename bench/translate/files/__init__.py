"""Translated resources as the files that Envoy reads."""

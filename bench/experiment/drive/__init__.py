"""The same load and verification against a system that runs elsewhere."""

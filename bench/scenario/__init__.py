"""scenario.yaml: models and loader."""

"""What is wrong with a folder of Istio YAML, and what that does to requests."""

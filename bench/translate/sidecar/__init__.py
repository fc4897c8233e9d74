"""What a sidecar gets: its listeners and routes."""

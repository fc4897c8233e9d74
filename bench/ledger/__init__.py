"""The account of every request: what client, sidecar, gateway and nodes each counted must reconcile."""

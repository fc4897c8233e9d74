"""Pure: reconciles what client, sidecar, gateway and nodes each counted."""

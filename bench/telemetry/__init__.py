"""What the running parts say of themselves: Envoy's admin API, access logs, CPU and memory."""

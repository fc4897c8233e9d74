"""One module for each question; the only place where stack, load and telemetry meet."""

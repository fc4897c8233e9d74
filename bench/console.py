"""The one place that prints: progress, tables, errors."""

"""What the translation makes of the resources: requests that fail, settings that do nothing."""

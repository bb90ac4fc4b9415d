"""From options to a running program: the one place that knows every package."""

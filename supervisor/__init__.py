"""PID 1 for application containers that keeps the application's configuration live."""

__version__ = "0.1.0"

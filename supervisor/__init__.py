"""PID 1 for application containers that keeps the application's configuration live."""

__version__ = "0.1.0"

PREFIX = "CONFIG_SUPERVISOR_"  # of the variables that stand for options

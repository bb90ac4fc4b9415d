"""The reload methods, one module each."""

NAMES = ("signal", "http", "exec", "restart", "process")

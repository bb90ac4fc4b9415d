"""The state for people and machines: log lines, metrics, status, Events, the HTTP port.
Read only.
"""

"""Where configuration comes from: a directory, or the Kubernetes API.

A source reads the whole content and hands it to a sink; it decides nothing.
"""

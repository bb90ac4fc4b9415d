"""ConfigMaps and Secrets through the Kubernetes API; the only package that knows the client
library.
"""

"""Versions on disk: generations in configroot, the swap that makes one live, the marks that outlive
a restart.
"""

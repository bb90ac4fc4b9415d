"""Versions on disk: generations in configroot, the swap of the live generation, marks for later
runs.
"""

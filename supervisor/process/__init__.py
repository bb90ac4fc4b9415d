"""Processes: the only fork, kill and wait; hooks; users, terminals, environments; /proc.

It knows no option, version or reload.
"""

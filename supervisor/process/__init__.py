"""Processes: the only fork, kill and wait; hooks; users, terminals, environments; the readers of
/proc.
"""

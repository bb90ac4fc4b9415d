"""Processes: the only fork, kill and wait; hooks; users, terminals, environments; /proc.

It knows no version and no reload; messages name the options they are about.
"""

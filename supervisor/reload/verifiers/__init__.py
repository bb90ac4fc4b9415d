"""Verifiers, one module each: whether a reload has worked, for servers without an exit code.

Each class states how its server takes a bad configuration; this was seen on the real server, and is
tested on it. Without a `before` a verifier is about an app that was just started: it looks at the
present state alone. `registry.py` tells how to add a verifier.
"""

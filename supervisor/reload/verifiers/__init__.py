"""Whether a reload has worked, for servers that do not say so by an exit code: `--verify NAME`.

One module each, with the name of the verifier, and a line in `registry.py`. Each class states what
its server does on a bad configuration; all of it was seen on the real server, and is tested on it.
A verifier asked without a `before` is about an app that has just been started: it looks at the
present state alone.
"""

"""The machinery of the main thread: the inbox, the loop, signals, threads, the log.

It performs the decisions of `core` and makes none. It knows no option, source or reload method.
"""

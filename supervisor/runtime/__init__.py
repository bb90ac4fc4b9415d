"""The main thread's machinery: the inbox, the loop, signals, threads, the log.

It performs decisions of `core` and makes none. It knows no option, no source and no reload method.
"""

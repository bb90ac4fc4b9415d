"""The pure core: records, events, actions, the rules of an app's life and of its versions.

Nothing here reads a clock, opens a file, starts a thread or writes a log line; import-linter keeps
it so.
"""

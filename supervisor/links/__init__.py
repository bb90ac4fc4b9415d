"""Command lines of other programs whose names are links to ours: tini, dumb-init and others.

Each module translates one into texts of our options, so all checks and the rest of the program are
those of our own command line. Imported under such a name only. It runs nothing. (`supervisord` is
a role of its own, in `services`.)
"""

"""Several services in one container: a supervisord.conf or an s6 tree becomes a plan, shown or run.

Imported only by a command line that asks for services. Processes are started by `process`, as for a
single app.
"""

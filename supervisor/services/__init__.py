"""Several services in one container: a supervisord.conf read into a plan, shown, and run.

Imported only by a command line that asks for services. Processes are started by `process`, as for a
single app.
"""

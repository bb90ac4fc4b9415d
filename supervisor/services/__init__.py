"""Several services in one container: a supervisord.conf read into a plan, and the plan shown.

Imported only by a command line that asks for services. Nothing here starts a process.
"""

"""A small HTTP/1.1 server for stream sockets: the port and the control socket are served by it.

It must not know pages, commands or the state of the app. Imported after the app's start.
"""

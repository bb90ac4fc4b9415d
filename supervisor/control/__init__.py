"""The control socket: its server, the commands it takes, and supervisorctl, its client."""

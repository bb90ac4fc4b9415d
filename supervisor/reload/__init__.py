"""How an app takes up a version: reload methods, checks, verifiers, the HTTP request."""

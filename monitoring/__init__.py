"""Monitoring: alert rules with tests and runbooks, a dashboard with its generator."""

"""What watches supervisors: alert rules with their tests and runbooks, and a dashboard with its
generator.
"""

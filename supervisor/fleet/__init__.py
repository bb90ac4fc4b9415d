"""A fleet: the pods of one workload take a version one after another, a canary first.

Pure. The pods share one Lease, and decide by its content alone; the rules here read events and give
orders, as those of `core` do, which reaches them through its policy and never imports them. Nothing
here may know of HTTP, threads, files or clocks. Imported by a role with --fleet only.
"""

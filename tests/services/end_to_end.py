"""Runs an end-to-end test of supervisor itself by its name, on our supervisord.

For the interpreter of the environment that has supervisor: `sys.executable`, by which these tests
start programs, is a wrapper that sends `-m supervisor.supervisord` to ours.
"""

from __future__ import annotations

import importlib
import sys
import unittest


def main(wrapper: str, name: str) -> bool:
    sys.executable = wrapper
    tests = importlib.import_module("supervisor.tests.test_end_to_end")
    suite = unittest.TestSuite([tests.EndToEndTests(name)])
    return unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))

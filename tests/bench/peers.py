"""The peers from PyPI, in a virtual environment of their own; those from Debian are found in PATH.

The environment is made once and kept in the user's cache: a second run needs no network. The
harness names a missing peer and leaves it out.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys

# supervisor 4 asks setuptools for its version.
PINNED = ("supervisor==4.3.*", "circus", "setuptools<81")
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
FOLDER = os.path.join(CACHE, "supervisor-bench", "peers")


@functools.cache
def scripts() -> str:
    """The directory of supervisord and circusd; '' when they cannot be installed."""
    folder = os.path.join(FOLDER, "bin")
    if os.path.exists(os.path.join(FOLDER, "complete")):
        return folder
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", FOLDER], check=True)
        pip = [os.path.join(folder, "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINNED], check=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"cannot install {', '.join(PINNED[:2])}: {error}", file=sys.stderr)
        return ""
    with open(os.path.join(FOLDER, "complete"), "w", encoding="utf-8"):
        return folder


def packages() -> str:
    """The directory of their packages; '' when they cannot be installed."""
    major, minor = sys.version_info[:2]
    return (
        os.path.join(FOLDER, "lib", f"python{major}.{minor}", "site-packages") if scripts() else ""
    )

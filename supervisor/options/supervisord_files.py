"""Where supervisord and its supervisorctl look for their file. Pure."""

from __future__ import annotations

import os


def search_paths(program: str) -> tuple[str, ...]:
    """Where supervisord's programs look for their file; `program` is argv[0]."""
    above = os.path.dirname(os.path.dirname(program))
    return (
        os.path.join(above, "etc", "supervisord.conf"),
        os.path.join(above, "supervisord.conf"),
        "supervisord.conf",
        "etc/supervisord.conf",
        "/etc/supervisord.conf",
        "/etc/supervisor/supervisord.conf",
    )

"""How many clients a server accepts, by the descriptors of this process.

The rest of the descriptors is for the app's needs: pipes, /proc, the sources. It must not know the
servers.
"""

from __future__ import annotations

import resource

_FEWEST = 4


def affordable(wanted: int, share: int) -> int:
    """At most `wanted` clients: a client for each `share` descriptors of the soft limit, and never
    fewer than four.
    """
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft < 0 else max(_FEWEST, min(wanted, soft // share))

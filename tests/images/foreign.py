"""Foreign images to run the bundle in: other C libraries, or none, and no Python.

Each is a small Debian, or comes from a stage that compiles the app. Must not know the bundle's
content.
"""

from __future__ import annotations

import base64
import functools
from pathlib import Path

from tests.images import built

# `podman run` with every restriction of a careful operator, but for the user.
RESTRICTED = (
    *("run", "--rm", "--no-healthcheck", "--network=none", "--pull=never"),
    *("--read-only", "--read-only-tmpfs=false"),
    *("--cap-drop=all", "--security-opt=no-new-privileges", "--passwd=false"),
)
ANY_USER = "--user=1000650000:0"
HARDENED = (*RESTRICTED, ANY_USER)

APP = Path(__file__).with_name("foreign_app.c")
SHELL = """
env | while read -r one; do echo "env: $one"; done
show() { echo "config: $(cat "$0")"; }
trap show HUP
trap 'exit 42' TERM
for one in 1 2 3; do (true & ); done
show
while true; do sleep 1000 & wait $!; done
"""

# The app is linked with musl, or with nothing; without the supervisor, then with it as `COPY
# --from` or `FROM`.
_BARE = """\
FROM {workshop} AS workshop
FROM scratch
COPY --from=workshop {files}
"""
_MUSL = """\
FROM {bare}
COPY --from={bundle} /opt/supervisor /opt/supervisor
ENTRYPOINT ["/opt/supervisor/bin/supervisor"]
"""
_SCRATCH = """\
FROM {workshop} AS workshop
FROM {bundle}
COPY --from=workshop /app-static /bin/app
"""


def app(root: str) -> list[str]:
    """The command of the app in a root: it shows its environment, then the file, again with each
    HUP; TERM: 42.
    """
    if root in ("musl", "scratch"):
        return ["/bin/app", "/config/app.conf"]
    return ["/bin/sh", "-c", SHELL, "/config/app.conf"]


@functools.cache
def image(root: str) -> str:
    """The image of a root: a suite of Debian as it is, `musl`, or `scratch`; the latter two have
    the bundle in them.
    """
    if root not in ("musl", "scratch"):
        return built.debian(root)
    text = {"musl": _MUSL, "scratch": _SCRATCH}[root]
    dockerfile = text.format(bare=bare("musl"), workshop=_workshop(), bundle=built.image("bundle"))
    return built.derived(f"localhost/supervisor-tests-{root}", dockerfile)


@functools.cache
def bare(root: str) -> str:
    """The image of a root without the bundle, for pods that mount it."""
    if root not in ("musl", "scratch"):
        return built.debian(root)
    files = {"musl": "/musl/ /", "scratch": "/app-static /bin/app"}[root]
    dockerfile = _BARE.format(workshop=_workshop(), files=files)
    return built.derived(f"localhost/supervisor-tests-bare-{root}", dockerfile)


@functools.cache
def _workshop() -> str:
    """The workshop of the app: /app-static, and /musl, the root of a system of busybox and musl."""
    source = base64.b64encode(APP.read_bytes()).decode()
    return built.derived(
        "localhost/supervisor-tests-workshop",
        f"""\
FROM {built.debian("trixie")}
RUN apt-get update && apt-get install --yes --no-install-recommends busybox-static gcc musl-tools
RUN echo {source} | base64 --decode >/app.c \\
 && musl-gcc -O2 -static -o /app-static /app.c \\
 && mkdir -p /musl/bin /musl/lib /musl/etc \\
 && musl-gcc -O2 -o /musl/bin/app /app.c \\
 && cp -L /lib/ld-musl-x86_64.so.1 /musl/lib/ \\
 && cp /bin/busybox /musl/bin/ && ln -s busybox /musl/bin/sh && ln -s busybox /musl/bin/id \\
 && echo 'guest:x:1234:1234::/:/bin/sh' >/musl/etc/passwd && echo 'guest:x:1234:' >/musl/etc/group
""",
    )

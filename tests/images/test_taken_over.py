"""An image made for supervisord, taken over by the documented lines: its file, its CMD and the
original supervisorctl go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.harness import wait_until
from tests.images import built
from tests.images.podman import Container, environment
from tests.images.test_documented_images import TAKEN_OVER

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

ORIGINAL_CLIENT = ("python3", "-m", "supervisor.supervisorctl")
# Debian's supervisor with its own file, which includes those of conf.d.
THEIRS = """\
FROM {debian}
RUN apt-get update && apt-get install --yes --no-install-recommends supervisor \\
 && printf '[program:web]\\ncommand = sleep 1000\\n[program:job]\\ncommand = true\\n\
startsecs = 0\\nautorestart = false\\n' >/etc/supervisor/conf.d/web.conf
CMD ["/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"]
"""


@pytest.fixture(scope="module")
def image() -> str:
    built.image("bundle")
    (snippet,) = TAKEN_OVER
    theirs = "localhost/supervisor-tests-theirs"
    built.derived(theirs, THEIRS.format(debian=built.debian("bookworm")))
    text = snippet.text.replace("my-image-with-supervisord", theirs)
    return built.derived("localhost/supervisor-tests-taken-over", text)


@pytest.fixture
def name() -> Iterator[str]:
    """The name of a container, which is removed at the end."""
    name = f"supervisor-taken-over-{os.getpid()}"
    yield name
    built.podman("rm", "--force", "--time=0", "--ignore", name)


def test_image_of_supervisord_is_taken_over(image: str, name: str) -> None:
    words = ["run", "--network=none", "--pull=never", f"--name={name}", image]
    container = Container(name, ["podman", *words], env=environment())

    def status(*client: str) -> dict[str, str]:
        done = built.podman("exec", name, *client, "status", check=False)
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0]: row[1] for row in rows if len(row) > 1}

    def running() -> None:
        states = {"web": "RUNNING", "job": "EXITED"}
        assert states == status(*ORIGINAL_CLIENT), container.err.seen
        assert states == status("supervisorctl")

    wait_until(running, timeout=60)
    comm = built.podman("exec", name, "cat", "/proc/1/comm", "/run/supervisord.pid").stdout
    assert ["supervisord", "1"] == comm.split()
    stopped = built.podman("exec", name, *ORIGINAL_CLIENT, "stop", "web").stdout
    assert "web: stopped\n" == stopped
    built.podman("stop", "--time=20", name)
    container.finish(0, timeout=30)


OF_INIT = """\
FROM {debian}
COPY --from={bundle} /opt/supervisor /opt/supervisor
RUN ln -s /opt/supervisor/bin/{name} /usr/bin/{name}
ENTRYPOINT ["/usr/bin/{name}", "{flag}", "--"]
"""


@pytest.mark.parametrize(("name", "flag"), [("tini", "-ge3"), ("dumb-init", "-r15:2")])
def test_image_of_an_init_is_taken_over(name: str, flag: str) -> None:
    """By a link in the place of the program; the name of the process is that of the link."""
    bundle = built.image("bundle")
    text = OF_INIT.format(debian=built.debian("bookworm"), bundle=bundle, name=name, flag=flag)
    image = built.derived(f"localhost/supervisor-tests-{name}", text)
    words = ["run", "--rm", "--network=none", "--pull=never", image, "sh", "-c"]
    done = built.podman(*words, "cat /proc/1/comm; exit 3", check=False)

    assert name == done.stdout.strip()
    assert (0 if name == "tini" else 3) == done.returncode

"""A web server in a container, as its users and its operators see it: pages, metrics, log,
`supervisorctl`.

Knows ports and words, not which server it is.
"""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.harness import children, state, status, wait_until
from tests.http import get, metric
from tests.images import built
from tests.images.deployed import Deployed
from tests.images.load import Load, Upload
from tests.images.podman import Container, environment

PORT, METRICS = 8080, 9911
LONG = 60.0  # seconds: for a busy machine
MIB = 1024 * 1024


class WebApp:
    """A pod with one container, called like its app, on port 8080."""

    def __init__(self, pod: Deployed, name: str) -> None:
        self.pod, self.name = pod, name

    def serves(self, word: str, port: int = PORT) -> None:
        """Wait until the page has this word."""
        try:
            serves(word, port)
        except AssertionError as error:
            error.add_note(self.pod.story(self.name))
            raise

    def counted(self, number: float, name: str, /, **labels: str) -> None:
        """Wait until a metric has this value."""

        def seen() -> None:
            try:
                actual = metric(METRICS, name, **labels)
            except OSError as error:
                raise AssertionError(repr(error)) from error
            assert number == actual, f"{name} {labels}\n{self.pod.story(self.name)}"

        wait_until(seen, LONG)

    def says(self, pattern: str) -> None:
        """Wait for a line on the container's standard error, behind the lines found before."""
        self.pod.containers[self.name].err.expect(pattern, LONG)

    def changes_under_load(
        self, change: Callable[[str], object], *words: str, port: int = PORT, path: str = "/"
    ) -> set[str]:
        """Go from the first word, which is served, to the last under load without a failed request;
        the words seen.
        """
        with Load(port, path, words) as load:
            try:
                load.sees(words[0])
                for word in words[1:]:
                    change(word)
                    load.sees(word)
                load.end()
            except AssertionError as error:
                error.add_note(self.pod.story(self.name))
                raise
        assert {} == load.failed
        return set(load.counts)

    def rejects(self, pattern: str) -> None:
        """Wait until it has said no to its first bad version, and why, and counts as stale."""
        self.says(f"the new configuration is rejected: .*{pattern}")
        self.counted(1, "config_stale")
        self.counted(1, "config_validations_total", result="rejected")

    def asked(self, *command: str) -> str:
        """The output of a command in the container, in the security context of the pod; it must end
        with code 0.
        """
        code, output = self.pod.exec(self.name, *command)
        assert 0 == code, output
        return output

    def reaps_orphans(self) -> None:
        """Leave three processes without a parent in the container, and see each of them reaped."""
        before = metric(METRICS, "orphans_reaped_total") or 0
        self.asked("sh", "-c", "for each in 1 2 3; do (sleep 0.1 >/dev/null 2>&1 &) ; done")
        self.counted(before + 3, "orphans_reaped_total")
        init = self.pod.pid(self.name)

        def no_zombie() -> None:
            assert "Z" not in {state(child) for child in children(init)}

        wait_until(no_zombie, LONG)

    def runs_as(self) -> tuple[set[str], str]:
        """The user ids and the capabilities of process 1."""
        found = status(self.pod.pid(self.name))
        return set(found["Uid"].split()), found["CapBnd"]

    def stops_with_a_request_under_way(self, path: str, upload: Upload) -> None:
        """Exit code 0, and a request half sent at the stop is answered like any other."""
        upload.begin(PORT, path)
        with _meanwhile(self.pod, self.name) as codes:

            def refuses() -> None:
                assert "ConnectionRefusedError" in _page(PORT)

            wait_until(refuses, LONG)
            upload.finishes()
        assert [0] == codes, self.pod.story(self.name)

    def keeps_to(self, share: float) -> None:
        """Its peak so far, the page cache of a first start included, is at most this share of its
        memory limit.
        """
        peak, limit = self.pod.peak_memory(self.name), self.pod.memory_limit(self.name)
        assert peak <= share * limit, f"{peak / MIB:.0f} of {limit / MIB:.0f} MiB"


def serves(word: str, port: int = PORT) -> None:
    """Wait until the page at a port has this word."""

    def served() -> None:
        assert word in _page(port)

    wait_until(served, LONG)


def _page(port: int) -> str:
    try:
        return get(port, "/")[1]
    except (OSError, http.client.HTTPException) as error:
        return repr(error)


@contextmanager
def alone(image: str, *options: str) -> Iterator[Container]:
    """A container of an image, started as people do who have read nothing: no arguments, no
    cluster.

    It has to end with code 0 when it is stopped.
    """
    name = f"supervisor-alone-{os.getpid()}"
    fixed = ["--rm", f"--name={name}", "--network=host", "--no-healthcheck", "--pull=never"]
    container = Container(
        name, ["podman", "run", *fixed, *options, built.image(image)], env=environment()
    )
    try:
        yield container
        built.podman("stop", "--time=20", name)
        container.finish(0, LONG)
    except AssertionError as error:
        error.add_note("\n".join(container.err.seen[-30:]))
        raise
    finally:
        built.podman("rm", "--force", "--time=0", "--ignore", name, check=False)
        container.popen.wait(LONG)
        for stream in (container.out, container.err):
            stream.reader.join(5)


@contextmanager
def _meanwhile(pod: Deployed, name: str) -> Iterator[Sequence[int]]:
    """Stop a container while the block runs; the exit code is there behind it."""
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(pod.stop(name, timeout=40)))
    thread.start()
    try:
        yield codes
    finally:
        thread.join()

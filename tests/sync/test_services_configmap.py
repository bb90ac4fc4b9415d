"""One ConfigMap for several services: a real nginx and a real gunicorn, each with its own key."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from pathlib import Path

from tests.conftest import needs, needs_root
from tests.fake_kube import FakeKube
from tests.harness import Program, Run, app, children, until, wait_until
from tests.http import get
from tests.process.controlled import SUPERVISORCTL
from tests.process.services import all_told, section, written
from tests.servers import free_port

_APP = """\
import os
with open(os.environ["APP_YAML"]) as file:
    word = file.read().partition(": ")[2].encode()
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [word]
"""
_NGINX = """\
user root;
error_log {place}/nginx.log notice;
pid {place}/nginx.pid;
events {{}}
http {{
  access_log off;
  server {{ listen 127.0.0.1:{port}; return 200 "{word}"; }}
}}
"""


def start(run: Run, fake: FakeKube, place: Path, *sections: str) -> Program:
    options = [
        "--services",
        written(place, sections),
        f"--configmap={fake.namespace}/web",
        f"--configroot={place}/live",
        f"--kubeconfig={fake.kubeconfig}",
        "--reload-interval=0s",
        "--listen=off",
        "--verify-window=300ms",
    ]
    return run(options=options)


class Site:
    """nginx and gunicorn in one supervisor."""

    def __init__(self, run: Run, fake: FakeKube, place: Path) -> None:
        self.fake = fake
        self.place = place
        self.ports = {"nginx": free_port(), "app": free_port()}
        self.files = {"nginx.conf": self.nginx("one"), "app.yaml": "word: one"}
        (place / "shop.py").write_text(_APP)
        live = place / "live"
        fake.create("web", self.files)
        self.program = start(
            run,
            fake,
            place,
            section(
                "nginx",
                command=f"nginx -c {live}/nginx/nginx.conf -g 'daemon off;'",
                stopsignal="QUIT",
                config_keys="nginx.conf",
                validate="nginx -t -q -e stderr -c {dir}/nginx.conf",
                verify="nginx",
            ),
            section(
                "app",
                command=f"gunicorn -b 127.0.0.1:{self.ports['app']} --chdir {place} shop:app",
                environment=f'APP_YAML="{live}/app/app.yaml"',
                config_keys="app.yaml",
            ),
        )
        self.shows(nginx="one", app="one")

    def nginx(self, word: str) -> str:
        return _NGINX.format(place=self.place, port=self.ports["nginx"], word=word)

    def change(self, **files: str) -> None:
        self.files |= {key.replace("_", "."): text for key, text in files.items()}
        self.fake.change("web", self.files)

    def shows(self, **words: str) -> None:
        def answers() -> None:
            for name, word in words.items():
                try:
                    assert (200, word) == get(self.ports[name], "/")
                except OSError as error:
                    raise AssertionError(f"{name}: {error}") from error

        wait_until(answers, 8)

    def workers(self) -> dict[str, list[int]]:
        """The workers of each, by the name of its program."""
        found: dict[str, list[int]] = {}

        def both() -> None:  # a list of children leaves some out while another ends: proc(5)
            for pid in children(self.program.pid):
                with contextlib.suppress(OSError):  # a check that has ended
                    name = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                    found[name] = sorted(children(pid))
            assert {"nginx", "gunicorn"} <= found.keys()

        wait_until(both)
        return found

    def reloads_of_nginx(self) -> int:
        return (self.place / "nginx.log").read_text().count("(SIGHUP) received")


def test_each_service_hears_of_its_own_key(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    needs("nginx")
    needs("gunicorn")
    needs_root()
    site = Site(run, fake, tmp_path)
    program = site.program
    before = site.workers()
    site.change(app_yaml="word: two")
    site.shows(app="two", nginx="one")
    program.err.expect("reloaded app: it runs on configuration")

    assert 0 == site.reloads_of_nginx()
    until(lambda: site.workers().get("nginx"), before["nginx"])
    one = len(before["gunicorn"])
    until(lambda: len(site.workers().get("gunicorn", ())), one)  # the old one ends
    before = site.workers()
    site.change(nginx_conf="nonsense;")
    program.err.expect("nginx: the new configuration is rejected: nginx ended with code 1")
    site.shows(app="two", nginx="one")
    site.change(nginx_conf=site.nginx("three"))
    site.shows(nginx="three")
    program.err.expect("reloaded nginx: it runs on configuration")

    assert 1 == site.reloads_of_nginx()
    # The list of children leaves some out while another of them ends: proc(5).
    until(lambda: site.workers().get("gunicorn"), before["gunicorn"])
    assert 1 == fake.watchers()
    program.send(signal.SIGTERM)
    program.finish(0)


def test_services_on_one_object_share_its_watch(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    """As many threads as for one service: the main thread, the log, and the source."""
    fake.create("web", {f"{name}.conf": "one" for name in "abc"})
    sections = [
        section(
            name,
            command=shlex.join(app("obey_config.py", tmp_path / "live" / name / f"{name}.conf")),
            config_keys=f"{name}.conf",
        )
        for name in "abc"
    ]
    program = start(run, fake, tmp_path, *sections)
    all_told(program.out.seen, *["config: one"] * 3)
    until(fake.watchers, 1)

    until(lambda: len(os.listdir(f"/proc/{program.pid}/task")), 3)
    assert 1 == len(fake.asked("watch"))
    program.send(signal.SIGTERM)
    program.finish(0)


def test_missing_object_is_told_once_for_all(run: Run, fake: FakeKube, tmp_path: Path) -> None:
    sections = [
        section(name, command=shlex.join(app("obey_config.py", tmp_path / "live" / name / "x")))
        for name in "ab"
    ]
    program = start(run, fake, tmp_path, *sections)
    program.err.expect(f"configmap {fake.namespace}/web does not exist")
    fake.create("web", {"x": "one"})
    all_told(program.out.seen, "config: one")
    until(lambda: program.out.seen.count("config: one"), 2)

    assert 1 == sum("does not exist" in line for line in program.err.seen)
    assert 1 == sum("exists now" in line for line in program.err.seen)
    program.send(signal.SIGTERM)
    program.finish(0)


def test_start_by_order_opens_a_failed_source_again(
    run: Run, fake: FakeKube, tmp_path: Path
) -> None:
    """Without a kubeconfig the service fails for good; the others run on."""
    fake.create("web", {"x": "one"})
    kubeconfig = Path(fake.kubeconfig)
    hidden = kubeconfig.rename(tmp_path / "hidden")
    web = section(
        "web",
        command=shlex.join(app("obey_config.py", tmp_path / "live" / "web" / "x")),
        configmap=f"{fake.namespace}/web",
        configroot=tmp_path / "live" / "web",
        essential="false",
    )
    file = written(tmp_path, [web, section("other", "wait")])
    control = tmp_path / "control"
    options = ["--services", file, f"--control={control}", "--listen=off"]
    program = run(options=[*options, f"--kubeconfig={kubeconfig}"])
    program.expect("other up")
    program.err.expect("cannot start web|kubeconfig")
    ctl = [SUPERVISORCTL, "-s", f"unix://{control}"]
    until(lambda: subprocess.run([*ctl, "status", "web"], check=False).returncode, 3)
    hidden.rename(kubeconfig)
    subprocess.run([*ctl, "start", "web"], check=True, timeout=20)

    program.expect("config: one")
    program.send(signal.SIGTERM)
    program.finish(0)

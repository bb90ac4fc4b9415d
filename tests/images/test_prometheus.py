"""images/prometheus in a container: configured by the API, reloaded under load, rolled back,
stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.fake_kube import FakeKube
from tests.harness import wait_until
from tests.http import get, metric
from tests.images.deployed import Deployed, data_of
from tests.images.podman import REPOSITORY
from tests.images.web_app import LONG, METRICS, WebApp, alone

pytestmark = [pytest.mark.images, pytest.mark.timeout(600)]

POD, NAME, PORT = "images/prometheus/pod.yaml", "prometheus", 9090
# The live configuration: Prometheus' own text, with the version written by `version`.
CONFIG = "/api/v1/status/config"
WORDS = ("version-one", "version-two")
# No pause between two reloads; a window long enough for a busy machine.
QUICK = {"CONFIG_SUPERVISOR_RELOAD_INTERVAL": "0s", "CONFIG_SUPERVISOR_VERIFY_WINDOW": "3s"}

Deploy = Callable[..., Deployed]


def version(word: str, rules: str = "", rule_file: str = "rules.yml") -> Mapping[str, str]:
    """The manifest's ConfigMap with a word in the configuration, and with other rules."""
    data = data_of(POD, NAME)
    text = data["prometheus.yml"].replace(
        "global:\n", f"global:\n  external_labels: {{version: {word}}}\n"
    )
    return {
        "prometheus.yml": text.replace("- rules.yml", f"- {rule_file}"),
        "rules.yml": rules or data["rules.yml"],
    }


def changes(api: FakeKube, app: WebApp, name: str, *words: str) -> set[str]:
    """Take a server from version to version of its object, without a failed request."""
    return app.changes_under_load(
        lambda word: api.change(name, version(word)), *words, port=PORT, path=CONFIG
    )


class Prometheus(WebApp):
    """The server of a pod."""

    def __init__(self, pod: Deployed) -> None:
        super().__init__(pod, NAME)

    def answers(self, path: str) -> Any:
        """The data in an answer of its API; an AssertionError where there is none yet."""
        try:
            code, body = get(PORT, path)
        except OSError as error:
            raise AssertionError(f"{error}\n{self.pod.story(self.name)}") from error
        assert 200 == code, body
        return json.loads(body)["data"]

    def runs_on(self, word: str) -> None:
        """Wait until this version of the configuration is live."""

        def live() -> None:
            assert f"version: {word}\n" in self.answers(CONFIG)["yaml"]

        wait_until(live, LONG)

    def has_rules(self, *names: str) -> None:
        """Wait until it evaluates these rules and no others."""

        def live() -> None:
            groups = self.answers("/api/v1/rules")["groups"]
            assert sorted(names) == sorted(
                rule["name"] for group in groups for rule in group["rules"]
            )

        wait_until(live, LONG)


def running(api: FakeKube, deploy: Deploy) -> Prometheus:
    """A pod on version-one."""
    app = Prometheus(deploy(POD, env=QUICK))
    api.change(NAME, version("version-one"))
    app.pod.start()
    app.runs_on("version-one")
    return app


def test_prometheus_starts_on_its_configuration_without_rights(
    api: FakeKube, deploy: Deploy
) -> None:
    hold = api.hold("read")
    app = Prometheus(deploy(POD))
    app.pod.start()
    hold.wait(60)
    app.counted(0, "app_starts_total")
    hold.release()
    app.has_rules("TargetDown", "job:up:ratio")

    assert 0 == metric(METRICS, "reloads_total", method="signal")
    assert "running" in app.asked("supervisorctl", "status")
    assert "ok" in app.asked("supervisorctl", "health")
    assert ({"10001"}, "0" * 16) == app.runs_as()
    app.reaps_orphans()
    assert 0 == app.pod.stop(NAME, timeout=40)


def test_change_fails_no_request_and_a_bad_version_is_rejected(
    api: FakeKube, deploy: Deploy
) -> None:
    app = running(api, deploy)
    assert set(WORDS) == changes(api, app, NAME, *WORDS)
    app.says("reloaded prometheus: it runs on configuration")
    app.counted(1, "reloads_total", method="signal")
    app.counted(1, "config_last_reload_successful")
    bad = data_of(POD, NAME)["rules.yml"].replace("avg by (job) (up)", "avg by (job) (up")
    api.change(NAME, version("version-three", bad))
    app.rejects("parse error: unclosed left parenthesis")
    app.runs_on("version-two")
    api.change(NAME, version("version-four"))
    app.runs_on("version-four")
    app.counted(0, "config_stale")


def test_what_validation_cannot_see_is_taken_back_as_a_whole(api: FakeKube, deploy: Deploy) -> None:
    """An absolute path leads the validation to the live rules. Prometheus then takes half of the
    change.
    """
    app = running(api, deploy)
    api.change(NAME, version("version-two", "groups: nonsense", "/config/rules.yml"))
    app.says(
        "cannot reload prometheus: .*its last reload failed; its log says why; rolling back to"
        " configuration"
    )
    app.says("reloaded prometheus: it runs on configuration")
    app.counted(1, "config_rollbacks_total")
    app.counted(1, "reload_failures_total", method="signal", reason="verify")
    app.counted(1, "config_stale")
    app.runs_on("version-one")
    app.has_rules("TargetDown", "job:up:ratio")
    rules = "groups: [{name: one, rules: [{record: 'one', expr: '1'}]}]"
    api.change(NAME, version("version-three", rules, "/config/rules.yml"))
    app.runs_on("version-three")
    app.has_rules("one")
    app.counted(0, "config_stale")


def test_twenty_reloads_under_load_stay_far_below_the_limit(api: FakeKube, deploy: Deploy) -> None:
    words = [f"version-{number:02}" for number in range(20)]
    app = running(api, deploy)
    changes(api, app, NAME, WORDS[0], *words)

    app.counted(20, "reloads_total", method="signal")
    app.keeps_to(0.8)


@pytest.mark.usefixtures("api")
def test_image_alone_scrapes_itself_and_follows_a_directory(tmp_path: Path) -> None:
    def page(word: str, path: str = CONFIG) -> None:
        try:
            assert word in get(PORT, path)[1]
        except OSError as error:
            raise AssertionError(repr(error)) from error

    with alone(NAME):
        wait_until(lambda: page("TargetDown", "/api/v1/rules"), LONG)
    tmp_path.chmod(0o755)
    write(tmp_path, version("version-one"))
    with alone(
        NAME, f"--volume={tmp_path}:/config-in:ro", "--user=1000650000:0", "--passwd=false"
    ) as container:
        wait_until(lambda: page("version-one"), LONG)
        write(tmp_path, version("version-two"))
        wait_until(lambda: page("version-two"), LONG)
        write(tmp_path, {"prometheus.yml": "nonsense: on\n"})
        container.err.expect("the new configuration is rejected: .*field nonsense not found", LONG)


def write(folder: Path, data: Mapping[str, str]) -> None:
    for name, content in data.items():
        (folder / name).write_text(content)


def test_the_default_configuration_is_that_of_the_manifest() -> None:
    folder = Path(REPOSITORY, "images/prometheus/default")

    assert data_of(POD, NAME) == {path.name: path.read_text() for path in folder.iterdir()}

"""The registry of reload methods and verifiers: the options, the wiring and the metrics read it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import config_supervisor
from config_supervisor.core.errors import UsageError
from config_supervisor.options import command_line
from config_supervisor.options.reload_options import METHODS, VERIFIERS, ReloadMethod
from config_supervisor.reload.checks import Check
from config_supervisor.reload.verifiers import registry
from config_supervisor.wiring import reload_plan

CHOSEN = [one for one in METHODS if one.option]
CHOICES = {
    "http": "--reload-http=http://a/",
    "exec": "--reload-exec=true",
    "process": "--reload-process=nginx",
    "restart": "--reload-restart",
    "notify": "--reload-notify",
}
VERIFIER_VALUES = {"": "", "SOCKET": ":/run/master.sock", "URL": ":http://a/"}

DECLARED = (
    '    reload_touch: str | None = option(parsers.path, "FILE", "reload by touching FILE")\n'
)
# A method as a contributor adds it: its record and its options in one file, and its module.
NEW_METHOD = (
    ("    DEFAULT,\n", '    DEFAULT,\n    ReloadMethod("touch", "reload_touch"),\n'),
    ("    reload_exec: ", f"{DECLARED}    reload_exec: "),
)
NEW_MODULE = """
def make(settings, directory):
    return f"touch {directory}{settings.reload_touch}"
"""
USE_IT = """
from config_supervisor.core.errors import UsageError
from config_supervisor.core.service import Service
from config_supervisor.observe.metrics import Metrics
from config_supervisor.options import command_line, help_page
from config_supervisor.wiring import reload_plan

settings = command_line.parse(["--config-dir=/c", "--reload-touch=/f", "app"], {})
print(*[line for line in help_page.text().splitlines() if "touch" in line], sep="\\n")
for wrong in (["--reload-touch=/f", "--reload-restart", "app"], ["--reload-touch=/f", "app"], []):
    try:
        command_line.parse(wrong, {})
    except UsageError as error:
        print(error)
print(reload_plan.plan(settings, "/c").method)
metrics = Metrics(Service, settings.reload_method.name)
print(*[line for line in metrics.page("")[1].decode().splitlines() if "touch" in line][:1])
"""
NEW_VERIFIER = (("VERIFIERS = {", 'VERIFIERS = {"mute": "WORD", '),)
NEW_CHECK = """
def parse(rest, trust, target):
    return f"mute {rest}"
"""
VERIFY_BY_IT = """
from config_supervisor.options import command_line, help_page
from config_supervisor.wiring import reload_plan

settings = command_line.parse(["--config-dir=/c", "--verify=mute:hush", "app"], {})
print(*[word.strip(",") for word in help_page.text().split() if "mute" in word])
print(reload_plan.plan(settings, "/c").verification)
"""


def arguments(method: ReloadMethod) -> list[str]:
    command = ["app"] if not method.excludes_command else []
    return ["--config-dir=/c", CHOICES[method.name], *command]


@pytest.mark.parametrize("method", CHOSEN, ids=lambda one: one.name)
def test_method_is_chosen_by_its_option(method: ReloadMethod) -> None:
    settings = command_line.parse(arguments(method), {})

    assert method == settings.reload_method
    found = reload_plan.plan(settings, "/c").method
    name = type(found).__name__.lower()
    assert name == ("nonetype" if method.restarts else method.name)


@pytest.mark.parametrize("method", CHOSEN, ids=lambda one: one.name)
def test_method_excludes_every_other_method(method: ReloadMethod) -> None:
    for other in CHOSEN:
        if other is not method:
            with pytest.raises(UsageError, match="exclude each other: there is one way to reload"):
                command_line.parse([CHOICES[other.name], *arguments(method)], {})


@pytest.mark.parametrize("name", VERIFIERS)
def test_verifier_is_found_by_its_name(name: str) -> None:
    assert isinstance(registry.parse(name + VERIFIER_VALUES[VERIFIERS[name]], "/"), Check)


def test_new_method_is_seen_everywhere(tmp_path: Path) -> None:
    """In the help, the exclusions, the wiring and the label of metrics."""
    seen = run_changed(tmp_path, NEW_METHOD, "methods/touch.py", NEW_MODULE, USE_IT)

    assert "--reload-touch FILE" in seen[0]
    assert seen[2].startswith("--reload-touch and --reload-restart exclude each other")
    assert seen[3].startswith("--reload-touch needs a configuration")
    assert "needs --reload-touch, --reload-http, --reload-exec" in seen[4]
    assert "touch /c/f" == seen[5]
    assert 'supervisor_reloads_total{method="touch"} 0.0' == seen[6]


def test_new_verifier_is_seen_everywhere(tmp_path: Path) -> None:
    """In the help, and in the plan of a reload."""
    seen = run_changed(tmp_path, NEW_VERIFIER, "verifiers/mute.py", NEW_CHECK, VERIFY_BY_IT)

    assert ["mute:WORD", "mute hush"] == seen


def run_changed(
    folder: Path, changes: Iterable[tuple[str, str]], name: str, module: str, code: str
) -> list[str]:
    """The output of code run on a copy of the program with another registry and module."""
    tree = folder / "config_supervisor"
    shutil.copytree(os.path.dirname(os.path.realpath(config_supervisor.__file__)), tree)
    declared = tree / "options" / "reload_options.py"
    text = declared.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    declared.write_text(text)
    (tree / "reload" / name).write_text(module)
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()

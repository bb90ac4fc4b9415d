"""Files that scripts of an s6 tree expect: with-contenv as a real script, exit codes, letters."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from config_supervisor.core.signal_numbers import HUP, KILL
from config_supervisor.services import s6_control, s6_runtime
from config_supervisor.services.s6_runtime import Runtime
from config_supervisor.services.service_orders import ServiceOrder, Verb

VALUES = {
    "A": "plain",
    "WITH-DASH": " a  b ",
    "LINES": "one\ntwo\n\n",
    "QUOTES": "'\"$(x)`",
    "E": "",
}


def test_with_contenv_gives_each_value_as_it_is(tmp_path: Path) -> None:
    for name, value in VALUES.items():
        (tmp_path / name).write_text(value)
    script = s6_runtime.programs(Runtime(environment_directory=str(tmp_path)))
    done = subprocess.run(
        ["/bin/sh", "-c", script["/command/with-contenv"], "with-contenv", "env", "-0"],
        capture_output=True,
        check=True,
        text=True,
        timeout=10,
    )
    found = dict(one.split("=", 1) for one in done.stdout.split("\0") if one)

    assert VALUES == {name: found[name] for name in VALUES}


@pytest.mark.parametrize(
    ("text", "code"),
    [("7\n", 7), ("0", 0), (" 255 \n", 255), ("256\n", None), ("-1\n", None), ("", None)],
)
def test_exit_code_is_a_number_of_a_byte(text: str, code: int | None) -> None:
    assert code == s6_runtime.exit_code(text)


def test_variables_that_are_no_file_names_are_left_out() -> None:
    assert {"A": "1"} == s6_runtime.variables({"A": "1", "a/b": "2", "..": "3", "": "4"})


def test_letters_are_orders() -> None:
    assert ServiceOrder(Verb.STOP, ("web",), wait=False) == s6_control.order("d", "web")
    hup = s6_control.order("h", "web")
    kill = s6_control.order("k", "web")

    assert hup is not None
    assert kill is not None
    assert (HUP, KILL) == (hup.signum, kill.signum)
    assert s6_control.order("x", "web") is None

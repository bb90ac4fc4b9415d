"""supervisor's own end-to-end tests, which come with it, run on our supervisord.

Its supervisorctl is the original. Two tests are about pidproxy, one about echo_supervisord_conf,
and one wants the words of the original's help: programs and texts that are not ours.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.harness import PROGRAM
from tests.services.oracle import environment

SCRIPT = Path(__file__).with_name("end_to_end.py")
OF_OTHERS = {
    "test_issue_1251",
    "test_issue_1418_pidproxy_cmd_with_no_args",
    "test_issue_1418_pidproxy_cmd_with_args",
    "test_pull_request_1578_echo_supervisord_conf",
}
NAMES = """\
    test_issue_291a_percent_signs_in_original_env_are_preserved
    test_issue_550 test_issue_565 test_issue_638 test_issue_663 test_issue_664 test_issue_733
    test_issue_835 test_issue_836 test_issue_986_command_string_with_double_percent
    test_issue_1054 test_issue_1170a test_issue_1170b test_issue_1170c test_issue_1224
    test_issue_1231a test_issue_1231b test_issue_1231c test_issue_1298
    test_issue_1483a_identifier_default test_issue_1483b_identifier_from_config_file
    test_issue_1483c_identifier_from_command_line
    test_issue_1596_asyncore_close_does_not_crash""".split()
OF_ONE_SOCKET = ("test_issue_565", "test_issue_836")
SECONDS = 60
# A script of a fixture, which the wheel lacks; its lines are those that the test waits for.
HELLO = (
    'for i in 1 2 3 4 5 6 7 8 9; do sleep 1; echo "The Øresund bridge ends in Malmö - $i"; done\n'
)


@pytest.fixture(scope="module", name="python")
def python_(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.getbasetemp().parent / "supervisor-4.3"
    python = environment(place)
    [fixtures] = place.glob("lib/python*/site-packages/supervisor/tests/fixtures")
    (fixtures / "hello.sh").write_text(HELLO)
    return python


def test_no_test_of_the_original_is_left_out(python: Path) -> None:
    code = (
        "from supervisor.tests import test_end_to_end as tests\n"
        "print(*(name for name in vars(tests.EndToEndTests) if name.startswith('test_')))\n"
    )
    names = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert {*NAMES} | OF_OTHERS == {*names.split()}
    assert 23 <= len(NAMES)


@pytest.mark.timeout(SECONDS + 10)
@pytest.mark.parametrize("name", NAMES)
def test_original_test_passes(name: str, python: Path, tmp_path: Path) -> None:
    ours = tmp_path / "supervisord"
    ours.symlink_to(PROGRAM[0])
    wrapper = tmp_path / "python"
    wrapper.write_text(
        "#!/bin/sh\n"
        'if [ "$1 $2" = "-m supervisor.supervisord" ]; then\n'
        f'  shift 2; exec {shlex.quote(str(ours))} "$@"\n'
        f'fi\nexec {shlex.quote(str(python))} "$@"\n'
    )
    wrapper.chmod(0o755)
    environ = {**os.environ, "END_TO_END": "1", "TMPDIR": str(tmp_path)}
    # Two fixtures have the same socket in /tmp.
    with python.parent.parent.with_suffix(".turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX if name in OF_ONE_SOCKET else fcntl.LOCK_UN)
        done = subprocess.run(
            [python, SCRIPT, wrapper, name],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    assert 0 == done.returncode, done.stderr

"""--check as a user runs it: real processes, their output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness import environment
from tests.services.oracle import Original, ours

SUPERVISOR = os.path.join(os.path.dirname(sys.executable), "supervisor")
GOOD = """\
[supervisord]
nodaemon = true
[program:db]
command = /srv/db
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
redirect_stderr = true
[program:web]
command = /srv/web
depends_on = db
redirect_stderr = true
stdout_logfile = /dev/stdout
strtsecs = 5
"""


@pytest.fixture
def supervisord(tmp_path: Path) -> str:
    """Our program under the name of supervisord, as images link it."""
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "supervisord"
    link.symlink_to(SUPERVISOR)
    return str(link)


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        cwd=cwd,
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def written(place: Path, text: str = GOOD) -> str:
    path = place / "supervisord.conf"
    path.write_text(text)
    return str(path)


def test_check_prints_verdicts_and_the_plan(tmp_path: Path, supervisord: str) -> None:
    file = written(tmp_path)
    done = run(supervisord, "--check", "-n", "-c", file)

    assert (0, "") == (done.returncode, done.stderr)
    verdicts, _, plan = done.stdout.partition("\n\n")
    unknown = "strtsecs: unknown key, ignored (did you mean startsecs?)"
    assert [f"warn    {file}:13 [program:web] {unknown}"] == verdicts.splitlines()
    tiers = "a tier starts when the services it needs are ready, and stops before them"
    assert [
        f"2 services in 2 tiers; {tiers}",
        "tier  service  starts   restart     essential  needs",
        "1     db       at once  on-failure  no         -",
        "2     web      at once  on-failure  no         db",
    ] == plan.splitlines()


def test_a_refused_file_ends_with_code_2(tmp_path: Path, supervisord: str) -> None:
    file = written(tmp_path, GOOD.replace("= db\n", "= dd\n"))
    done = run(supervisord, "--check", "-c", file)

    assert (2, "") == (done.returncode, done.stderr)
    assert f"refuse  {file}:10 [program:web] depends_on: there is no program" in done.stdout
    assert "tier" not in done.stdout


def test_a_file_without_sections_ends_with_code_2(tmp_path: Path, supervisord: str) -> None:
    file = written(tmp_path, "words\n")
    done = run(supervisord, "--check", "-c", file)

    assert (2, "") == (done.returncode, done.stdout)
    assert f"{file}:1 stands before the first [section]: 'words'" in done.stderr


def test_services_have_our_defaults(tmp_path: Path) -> None:
    done = run(SUPERVISOR, "--services", written(tmp_path), "--check")

    assert 0 == done.returncode
    assert "1     db       at once  on-failure  yes        -" in done.stdout.splitlines()


def test_json_has_the_same(tmp_path: Path, supervisord: str) -> None:
    secret = GOOD + "environment = PASSWORD='hush'\n[unix_http_server]\nfile=/tmp/s\n"
    file = written(tmp_path, secret + "username=u\npassword=hush\n")
    done = run(supervisord, "--check", "--json", "-c", file)
    found = json.loads(done.stdout)

    assert [["db"], ["web"]] == [[one["name"] for one in tier] for tier in found["tiers"]]
    assert ("warn", 13, "program:web", "strtsecs") in [
        (one["level"], one["line"], one["section"], one["key"]) for one in found["verdicts"]
    ]
    assert "hush" not in done.stdout


def test_the_file_is_found_beside_the_program(tmp_path: Path, supervisord: str) -> None:
    (tmp_path / "etc").mkdir()
    file = written(tmp_path / "etc")
    done = run(supervisord, "--check", cwd=tmp_path / "bin")

    assert 0 == done.returncode
    assert f"{file}:13 [program:web]" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nonsense"], "option --nonsense not recognized"),
        (["run"], "positional arguments are not supported: 'run'"),
        (["-c", "a", "-c", "b"], "-c is given twice"),
        (["--profile_options=callers"], "--profile_options profiles supervisord itself"),
    ],
)
def test_wrong_usage_ends_with_code_2(supervisord: str, words: list[str], message: str) -> None:
    done = run(supervisord, "--check", *words)

    assert (2, "") == (done.returncode, done.stdout)
    assert message in done.stderr


def test_other_roles_import_no_services() -> None:
    code = "import config_supervisor.cli, sys; print(*sys.modules)"
    modules = run(sys.executable, "-I", "-c", code).stdout.split()

    assert "config_supervisor.cli" in modules
    assert [] == [name for name in modules if name.startswith("config_supervisor.services")]


READ = """
import sys
from config_supervisor.services import role
from config_supervisor.services.dialect import SERVICES
from config_supervisor.services.supervisord_line import Line
plan, verdicts = role.read(Line(file=sys.argv[1]), SERVICES, {})
print(len(plan.services), *sys.modules)
"""


def test_a_reading_imports_the_parser_and_little_else(tmp_path: Path) -> None:
    """`configparser` and `shlex` bring `re` and `collections`; each of these costs more."""
    count, *modules = run(
        sys.executable, "-I", "-c", READ, written(tmp_path, GOOD.replace("strt", "start"))
    ).stdout.split()
    late = {"getopt", "glob", "difflib", "json", "tempfile", "random", "grp", "threading", "socket"}

    assert "2" == count
    assert {"configparser", "shlex"} <= set(modules)
    assert set() == late & set(modules)


@pytest.mark.parametrize("key", ["startsecs", "stopwaitsecs"])
def test_time_beyond_all_clocks_is_refused(supervisord: str, tmp_path: Path, key: str) -> None:
    """By a start as by the check; before, it ended the running supervisor."""
    text = f"[supervisord]\n[program:a]\ncommand = sleep 100\n{key} = 10000000000\n"
    file = written(tmp_path, text)
    where = f"{file}:4 [program:a] {key}: '10000000000' is beyond 2147483647 seconds"
    checked = run(supervisord, "--check", "-c", file)
    started = run(supervisord, "-n", "-c", file, cwd=tmp_path)

    assert (2, 2) == (checked.returncode, started.returncode)
    assert where in checked.stdout
    assert where in started.stderr


@pytest.mark.parametrize("number", ["999999999", "9" * 30])
def test_check_refuses_a_limit_that_cannot_be_raised(
    supervisord: str, tmp_path: Path, number: str
) -> None:
    """As a start does on this machine."""
    file = written(tmp_path, f"[supervisord]\nminfds = {number}\n[program:a]\ncommand = true\n")
    checked = run(supervisord, "--check", "-c", file)
    started = run(supervisord, "-n", "-c", file, cwd=tmp_path)

    assert (2, 2) == (checked.returncode, started.returncode)
    assert "[supervisord] minfds: " in checked.stdout
    assert "minfds" in started.stderr


OPTIONS = [
    *(["-n"], ["-s"], ["-t"], ["-k"], ["-u", "nobody"], ["-u", "nosuchuser"], ["-m", "077"]),
    *(["-d", "/tmp"], ["-d", "/no/such"], ["-l", "/tmp/x.log"], ["-y", "1MB"], ["-y", "x"]),
    *(["-z", "3"], ["-e", "debug"], ["-e", "loud"], ["-j", "/tmp/x.pid"], ["-i", "me"]),
    *(["-q", "/tmp"], ["-a", "5"], ["--minprocs", "9"], ["--logfile_b", "2"], ["--pid=/tmp/p"]),
    *(["-i", "a", "--identifier=b"], ["-x"], ["more"], ["-ns"]),
]


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_options_read_as_in_the_original(
    original: Original, tmp_path: Path, options: list[str]
) -> None:
    file = Path(written(tmp_path, "[supervisord]\nloglevel=warn\nminfds=77\n"))
    theirs = original.read(file, {"PATH": "/bin"}, options)
    mine, _ = ours(file, {"PATH": "/bin"}, options)

    if "refused" in theirs:
        assert "refused" in mine
    else:
        assert theirs == mine

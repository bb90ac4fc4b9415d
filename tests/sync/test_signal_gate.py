"""Reloads of apps without a handler for their signal: BIND, this program, another user's app."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import needs, needs_open_interpreter, needs_root
from tests.harness import PROGRAM, Run, app, only_process
from tests.sync.reloading import QUICK
from tests.volume import Volume

HUP = "1"


def volume(tmp_path: Path, files: dict[str, str]) -> Volume:
    volume = Volume(tmp_path / "volume")
    volume.swap(files)
    return volume


def test_bind_reloads_its_configuration_by_hup(run: Run, tmp_path: Path) -> None:
    """named(8) waits for its signals with sigwait(3)."""
    named = needs("named")
    zone = "$TTL 60\n@ IN SOA ns. root. ({serial} 60 60 60 60)\n@ IN NS ns.\n"
    conf = f"""
options {{ directory "{tmp_path}"; pid-file none; session-keyfile none; lock-file none;
  recursion no; dnssec-validation no; listen-on port 0 {{ none; }}; listen-on-v6 {{ none; }}; }};
controls {{ }};
zone "example.test" {{ type primary; file "{tmp_path}/volume/zone"; }};
"""
    served = volume(tmp_path, {"named.conf": conf, "zone": zone.format(serial=1)})
    command = [named, "-g", "-c", f"{tmp_path}/volume/named.conf"]
    program = run(*command, options=[f"--config-dir={served.path}", *QUICK])

    program.err.expect("loaded serial 1$")
    program.err.expect("running$")
    served.swap({"named.conf": conf, "zone": zone.format(serial=2)})
    program.err.expect("loaded serial 2$")
    program.err.expect("reloaded named: ")
    program.send(15)
    program.finish(0)


def test_this_program_is_an_app_that_reloads_by_hup(run: Run, tmp_path: Path) -> None:
    """It takes its signals by sigtimedwait(2), and forwards HUP to its own app."""
    served = volume(tmp_path, {"app.conf": "one"})
    inner = [*PROGRAM, "--control=off", "--subreaper=off", "--", *app("take_signals.py", "handler")]
    program = run(*inner, options=[f"--config-dir={served.path}", *QUICK])

    program.expect("^ready$")
    served.swap({"app.conf": "two"})
    assert HUP == program.out.next()
    program.send(15)
    program.finish(128 + 15)


@only_process
@pytest.mark.parametrize("way", ["sigwait", "signalfd"])
def test_an_app_of_another_user_is_seen_to_wait(run: Run, tmp_path: Path, way: str) -> None:
    """Root in a container has no CAP_SYS_PTRACE, necessary for a look at another user's process."""
    needs_root()
    needs_open_interpreter()
    served = volume(tmp_path, {"app.conf": "one"})
    options = [f"--config-dir={served.path}", "--user=12345:12346", *QUICK]
    prefix = ["setpriv", "--bounding-set=-sys_ptrace"]
    program = run(*app("take_signals.py", way), options=options, prefix=prefix)

    program.expect("^ready$")
    served.swap({"app.conf": "two"})
    assert HUP == program.out.next()


def test_the_signal_is_sent_regardless_when_asked_for(run: Run, tmp_path: Path) -> None:
    """It ends an app without a handler, which starts again: the user vouched for a handler."""
    served = volume(tmp_path, {"app.conf": "one"})
    options = [f"--config-dir={served.path}", "--reload-signal-check=off", *QUICK]
    program = run(*app("take_signals.py", "default"), options=options)

    program.expect("^ready$")
    served.swap({"app.conf": "two"})
    program.err.expect("was ended by SIGHUP; starting it on the new configuration")
    program.err.expect("cannot reload .*the reload signal ended it; it is started again")
    program.expect("^ready$")

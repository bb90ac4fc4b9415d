"""The whole program on a mounted volume or a plain directory: no API, no RBAC."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.conftest import needs_open_interpreter, needs_root
from tests.harness import NOBODY_KNOWS, Program, Run, app, wait_until
from tests.http import metric, port_of
from tests.volume import swap_volume

LISTEN = "--listen=127.0.0.1:0"


def write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def volume(tmp_path: os.PathLike[str]) -> str:
    return os.path.join(tmp_path, "volume")


def start(run: Run, directory: str, *options: str, read: str = "") -> Program:
    command = app("read_config.py", os.path.join(read or directory, "app.conf"))
    return run(*command, options=[f"--config-dir={directory}", LISTEN, *options])


def test_a_swap_by_the_kubelet_is_one_reload(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, "--verify-window=0s")
    program.expect("ready")
    port = port_of(program)
    swap_volume(volume, {"app.conf": "two"})
    program.expect("config: two")
    program.err.expect("reloaded")

    assert ["config: one", "ready", "config: two"] == program.out.seen
    assert 1 == metric(port, "reloads_total", method="signal")


def test_a_swap_without_a_change_of_content_is_none(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume)
    program.expect("ready")
    swap_volume(volume, {"app.conf": "one"})
    swap_volume(volume, {"app.conf": "three"})
    program.expect("config: three")

    assert ["config: one", "ready", "config: three"] == program.out.seen


def test_a_plain_edit_in_a_plain_directory_is_a_reload(run: Run, volume: str) -> None:
    os.mkdir(volume)
    write(f"{volume}/app.conf", "one")
    program = start(run, volume, "--reload-interval=0s")
    program.expect("ready")
    write(f"{volume}/new", "two")
    os.replace(f"{volume}/new", f"{volume}/app.conf")
    program.expect("config: two")


def test_a_directory_that_is_replaced_is_followed(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, "--reload-interval=0s")
    program.expect("ready")
    os.rename(volume, volume + ".old")
    swap_volume(volume, {"app.conf": "two"})
    program.expect("config: two")
    swap_volume(volume, {"app.conf": "three"})
    program.expect("config: three")


def test_a_missing_directory_is_waited_for(run: Run, volume: str) -> None:
    program = start(run, volume)
    program.err.expect(f"directory {volume} does not exist; waiting for it to be created")
    swap_volume(volume, {"app.conf": "one"})
    program.expect("config: one")


def test_files_in_configroot_survive_their_volume(
    run: Run, volume: str, tmp_path: os.PathLike[str]
) -> None:
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", "--reload-interval=0s", read=root)
    program.expect("config: one")
    program.expect("ready")
    swap_volume(volume, {"app.conf": "two"})
    program.expect("config: two")
    shutil.rmtree(volume)
    program.err.expect("does not exist; configuration .* stays in use")
    with open(os.path.join(root, "app.conf"), encoding="utf-8") as file:
        assert "two" == file.read()


def test_the_links_in_configroot_hold_under_another_path(
    run: Run, volume: str, tmp_path: os.PathLike[str]
) -> None:
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", read=root)
    program.expect("ready")
    os.rename(root, os.path.join(tmp_path, "elsewhere"))
    with open(os.path.join(tmp_path, "elsewhere", "app.conf"), encoding="utf-8") as file:
        assert "one" == file.read()


def test_directories_that_overlap_are_refused(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={volume}/live")
    program.err.expect("--configroot and --config-dir overlap")
    program.finish(125)


def test_relative_paths_count_from_the_first_directory(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    command = app("read_config.py", "volume/app.conf")
    program = run(*command, options=["--config-dir=volume", LISTEN], cwd=os.path.dirname(volume))
    program.expect("config: one")
    program.expect("ready")
    swap_volume(volume, {"app.conf": "two"})
    program.expect("config: two")


def test_metrics_and_probes_do_not_depend_on_the_source(run: Run, volume: str) -> None:
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume)
    program.expect("ready")
    port = port_of(program)
    labels = {"kind": "directory", "namespace": "", "name": volume}

    def seen() -> None:
        assert 1 == metric(port, "source_present", **labels)
        assert 1 == metric(port, "watch_connected")
        assert (metric(port, "source_last_contact_timestamp_seconds", **labels) or 0) > 1e9

    wait_until(seen)


@pytest.fixture
def open_volume() -> Iterator[str]:
    """A volume for every user to read."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield f"{folder}/volume"


def limit_processes(pid: int, soft: int) -> None:
    """By the same user: root may lack CAP_SYS_RESOURCE for a process of another user."""
    subprocess.run([*NOBODY_KNOWS, "prlimit", f"--pid={pid}", f"--nproc={soft}:"], check=True)


def test_change_without_a_free_thread_waits_for_it(run: Run, open_volume: str) -> None:
    """An app that fills its container's limit of processes must not cost it the supervisor."""
    needs_root()
    needs_open_interpreter()
    swap_volume(open_volume, {"app.conf": "one"})
    options = [f"--config-dir={open_volume}", LISTEN, "--reload-interval=0s", "--verify-window=0s"]
    program = run(
        *app("read_config.py", f"{open_volume}/app.conf"), options=options, prefix=NOBODY_KNOWS
    )
    program.expect("ready")
    port_of(program)  # the log has its thread
    limit_processes(program.pid, 1)
    swap_volume(open_volume, {"app.conf": "two"})
    program.err.expect(
        r"warning: cannot start a thread \(reload\): can't start new thread; the limit of processes"
        r" is reached "
        r"\(pids.max, ulimit -u\); the supervisor tries again every second"
    )
    limit_processes(program.pid, resource.getrlimit(resource.RLIMIT_NPROC)[0])
    program.expect("config: two")
    program.err.expect("reloaded")

    program.send(15)
    program.finish(0)


@pytest.fixture
def damaged(run: Run, volume: str, tmp_path: os.PathLike[str]) -> str:
    """A configroot whose live file was edited in place after a run."""
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", read=root)
    program.expect("ready")
    program.send(signal.SIGTERM)
    program.wait()
    write(os.path.join(root, "app.conf"), "edited")
    return root


CANNOT_USE = r"cannot use generation \S+/live/\.\.\S+: app.conf differs from its manifest"


def test_end_without_intact_configuration_says_why(run: Run, volume: str, damaged: str) -> None:
    """A file was edited in place while the program was away, and so was its source."""
    shutil.rmtree(volume)
    short = "--initial-sync-timeout=200ms"
    again = start(run, volume, f"--configroot={damaged}", short, read=damaged)

    again.err.expect(f"holds no intact configuration of an earlier run either .{CANNOT_USE}")
    assert 125 == again.wait()


def test_start_on_damaged_files_writes_them_and_says_why(
    run: Run, volume: str, damaged: str
) -> None:
    again = start(run, volume, f"--configroot={damaged}", read=damaged)

    again.err.expect(f"warning: {CANNOT_USE}; let no other program write there")
    again.expect("config: one")


def test_start_skips_damaged_good_version_and_says_why(
    run: Run, volume: str, tmp_path: os.PathLike[str]
) -> None:
    """The start goes on to an earlier generation, and names the damage once."""
    root = os.path.join(tmp_path, "live")
    options = (f"--configroot={root}", "--reload-interval=0s", "--verify-window=0s")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, *options, read=root)
    program.expect("ready")
    swap_volume(volume, {"app.conf": "two"})
    program.err.expect("reloaded")
    program.send(signal.SIGTERM)
    program.wait()
    write(os.path.join(root, "app.conf"), "edited")
    shutil.rmtree(volume)
    again = start(run, volume, *options, "--initial-sync-timeout=200ms", read=root)
    again.err.expect(f"warning: {CANNOT_USE}; let no other program write there")
    again.expect("config: one")

    assert 1 == sum("differs from its manifest" in line for line in again.err.seen)


@pytest.mark.parametrize("make", ["mkdir", "ln -s /nowhere"])
def test_key_whose_place_is_taken_is_written_once_it_is_free(
    run: Run, volume: str, tmp_path: os.PathLike[str], make: str
) -> None:
    """A state of the disk is no fault of the content: it is tried again."""
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", "--reload-interval=0s", read=root)
    program.expect("ready")
    subprocess.run([*make.split(), f"{root}/more"], check=True)
    swap_volume(volume, {"app.conf": "two", "more": ""})
    program.err.expect("cannot write .*/more: .*; remove it")
    subprocess.run(["rm", "-r", f"{root}/more"], check=True)
    program.expect("config: two")


def test_files_that_the_app_adds_do_not_hinder_a_start(
    run: Run, volume: str, tmp_path: os.PathLike[str]
) -> None:
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", read=root)
    program.expect("ready")
    program.send(signal.SIGTERM)
    program.wait()
    shutil.rmtree(volume)
    os.mkdir(f"{root}/..data/__pycache__")
    write(f"{root}/..data/.lock", "")
    options = [f"--configroot={root}", "--initial-sync-timeout=200ms", "--log-level=debug"]
    again = start(run, volume, *options, read=root)

    again.err.expect(
        "also holds (.lock, __pycache__|__pycache__, .lock): not part of the configuration, left"
        " alone"
    )
    again.expect("config: one")


def test_emptied_volume_keeps_the_last_files(
    run: Run, volume: str, tmp_path: os.PathLike[str]
) -> None:
    """As the kubelet leaves it after the deletion of an optional ConfigMap."""
    root = os.path.join(tmp_path, "live")
    swap_volume(volume, {"app.conf": "one"})
    program = start(run, volume, f"--configroot={root}", "--reload-interval=0s", read=root)
    program.expect("ready")
    swap_volume(volume, {})
    program.err.expect(f"directory {volume} holds no files; configuration .* stays in use")
    swap_volume(volume, {"app.conf": "three"})
    program.expect("config: three")

    assert ["config: one", "ready", "config: three"] == program.out.seen


def test_volume_without_files_is_waited_for(run: Run, volume: str) -> None:
    swap_volume(volume, {})
    program = start(run, volume)
    program.err.expect(f"directory {volume} holds no files; waiting for it to be created")
    swap_volume(volume, {"app.conf": "two"})
    program.expect("config: two")


def test_app_that_writes_its_own_configuration_is_told_on(
    run: Run, tmp_path: os.PathLike[str]
) -> None:
    directory = os.path.join(tmp_path, "etc")
    os.mkdir(directory)
    write(f"{directory}/app.conf", "one")
    script = (
        'trap "date +%N >$0/state" HUP; echo ready; while :; do sleep 1000 & wait $!; kill $!; done'
    )
    options = [f"--config-dir={directory}", LISTEN, "--reload-interval=0s", "--verify-window=0s"]
    program = run("sh", "-c", script, directory, options=options)
    program.expect("ready")
    write(f"{directory}/app.conf", "two")

    program.err.expect(
        "state changed right after each of the last 5 reloads, as if the app wrote it.*--ignore"
    )


def test_file_that_is_left_out_reloads_nothing(run: Run, tmp_path: os.PathLike[str]) -> None:
    directory, root = os.path.join(tmp_path, "etc"), os.path.join(tmp_path, "live")
    os.makedirs(f"{directory}/cache")
    os.mkdir(f"{directory}/lost+found", 0)
    write(f"{directory}/app.conf", "one")
    write(f"{directory}/cache/state", "1")
    write(os.fsdecode(os.fsencode(directory) + b"/\xff"), "1")
    program = start(
        run, directory, f"--configroot={root}", "--ignore=cache", "--reload-interval=0s", read=root
    )
    program.expect("ready")
    write(f"{directory}/cache/state", "2")
    write(f"{directory}/app.conf", "two")
    program.expect("config: two")

    assert ["app.conf"] == [name for name in os.listdir(root) if not name.startswith("..")]
    assert ["config: one", "ready", "config: two"] == program.out.seen
    assert any("its name is not valid UTF-8" in line for line in program.err.seen)


def test_validation_finds_directories_without_files(run: Run, tmp_path: os.PathLike[str]) -> None:
    """As PostgreSQL's `include_dir`, empty on Debian; an emptied directory stays, too."""
    directory, root = os.path.join(tmp_path, "etc"), os.path.join(tmp_path, "live")
    os.makedirs(f"{directory}/conf.d")
    os.mkdir(f"{directory}/sites")
    write(f"{directory}/sites/a", "1")
    write(f"{directory}/app.conf", "one")
    options = [
        f"--configroot={root}",
        "--validate=ls {dir}/conf.d {dir}/sites",
        "--verify-window=200ms",
        "--reload-interval=0s",
    ]
    program = start(run, directory, *options, read=root)
    program.expect("config: one")
    program.expect("ready")
    os.unlink(f"{directory}/sites/a")
    program.err.expect("reloaded")

    assert os.listdir(f"{root}/conf.d") == os.listdir(f"{root}/sites") == []

"""`supervisor --s6` in the root of an image: a file system of its own, without s6-overlay."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.conftest import needs_root
from tests.harness import Program, Run
from tests.s6_trees import SOURCE, Planted

# A root with the directories of this machine but for /etc, /run and /command, in a private mount
# namespace.
ENTER = """\
root=$1
shift
for path in /*; do
    name=${path#/}
    case $name in etc|run|command) continue ;; esac
    if [ -L "$path" ]; then
        ln -s "$(readlink "$path")" "$root/$name"
    elif [ -d "$path" ]; then
        mkdir "$root/$name"
        mount --rbind "$path" "$root/$name"
    fi
done
mkdir "$root/run"
mount -t tmpfs tmpfs "$root/run"
exec chroot "$root" "$@"
"""
HALT = """\
#!/bin/sh
echo "$1" > /run/s6-linux-init-container-results/exitcode
exec /run/s6/basedir/bin/halt
"""


@pytest.fixture
def tree(tmp_path: Path) -> Planted:
    needs_root()
    (tmp_path / "root").mkdir()
    return Planted(tmp_path / "root")


def boot(run: Run, tree: Planted, *command: str, **variables: str) -> Program:
    prefix = ["unshare", "--mount", "sh", "-ec", ENTER, "sh", str(tree.root)]
    return run(*command, options=["--s6"], prefix=prefix, env=variables)


def test_with_contenv_has_the_variables_of_scripts(run: Run, tree: Planted) -> None:
    tree.program(
        "etc/cont-init.d/01",
        "#!/usr/bin/with-contenv sh\nprintf %s later > /var/run/s6/container_environment/MADE\n",
    )
    tree.program(
        "etc/services.d/web/run",
        '#!/command/with-contenv sh\necho "$MADE $WITH" "$(printcontenv MADE)"\nexec sleep 60\n',
    )
    program = boot(run, tree, WITH="a  b")
    program.expect("later a  b later")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_service_ends_the_container_with_its_code(run: Run, tree: Planted) -> None:
    tree.longrun("web").user("web").program(f"{SOURCE}/web/finish", HALT)
    tree.program(f"{SOURCE}/web/run", "#!/command/with-contenv sh\nexit 7\n")
    program = boot(run, tree, "sleep", "60")
    program.finish(7)


def test_image_keeps_its_own_with_contenv(run: Run, tree: Planted) -> None:
    tree.program("command/with-contenv", "#!/bin/sh\necho its own\nsleep 60\n")
    tree.program("etc/services.d/web/run", "#!/command/with-contenv sh\n")
    program = boot(run, tree)
    program.expect("its own")
    program.send(signal.SIGTERM)
    program.finish(0)


def test_read_only_run_is_told_and_survived(run: Run, tree: Planted) -> None:
    tree.program("etc/services.d/web/run", "#!/bin/sh\necho up\nexec sleep 60\n")
    enter = ENTER.replace("mount -t tmpfs tmpfs", "mount -t tmpfs -o ro tmpfs")
    prefix = ["unshare", "--mount", "sh", "-ec", enter, "sh", str(tree.root)]
    program = run(options=["--s6"], prefix=prefix)
    program.err.expect("cannot be written: read-only file system; .* mount a tmpfs at /run")
    program.expect("up")
    program.send(signal.SIGTERM)
    program.finish(0)

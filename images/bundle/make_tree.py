#!/usr/bin/env python3
"""Make the tree that runs in any image: the interpreter, its libraries and loader, and the
packages, in one directory.

    make_tree.py ROOT    writes ROOT/opt/supervisor, and links to it

Dockerfile.base runs it in the stage `tree`. The tree works wherever it is copied or mounted:
launcher.c, the program behind each name in bin/, finds the rest from its own path. The links at the
root make the whole image a tree too, for volumes mounted from its root. The tree uses nothing of
the image around it, and leaves nothing in the environment of the programs it starts. Parts of the
packages never imported by a role of the program are left out (tests/images/test_bundle.py runs all
roles). Must not know containers.
"""

from __future__ import annotations

import compileall
import glob
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig

HERE = os.path.dirname(os.path.abspath(__file__))
HOME = "opt/supervisor"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
LAUNCHER = "/tools/bin/launcher"  # of launcher.c, which the stage compiles
PROGRAMS = ("supervisor", "supervisorctl")
# `supervisor` under the names of others. None is on PATH: it would hide the image's own.
LINKS = ("supervisord", "tini", "dumb-init", "configmap-reload", "k8s-sidecar")
PARTS = ("bin", "lib", "share")

# Parts of the standard library without an importer here. `pydoc` stays, with `_pyrepl`, its import:
# kubernetes.watch wants it.
NO_MODULES = (
    *(
        "ensurepip",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "sitecustomize.py",
        "test",
        "tkinter",
        "turtle.py",
        "turtledemo",
    ),
    *(
        "cProfile.py",
        "curses",
        "dbm",
        "doctest.py",
        "pdb.py",
        "profile.py",
        "pstats.py",
        "sqlite3",
        "unittest",
        "venv",
    ),
    *("_curses", "_curses_panel", "_dbm", "_lsprof", "_sqlite3", "readline"),
    *("_testbuffer", "_testcapi", "_testclinic", "_testclinic_limited", "_testexternalinspection"),
    *(
        "_testimportmultiple",
        "_testinternalcapi",
        "_testlimitedcapi",
        "_testmultiphase",
        "_testsinglephase",
    ),
    *("_ctypes_test", "_xxtestfuzz", "xxlimited", "xxlimited_35", "xxsubtype"),
)
# One class for each kind of object and of API, 1,700 files: the program reads objects as plain
# JSON, on known paths. Then tests, and files for compilers and installers only.
NO_FILES = re.compile(
    r"kubernetes/client/(api|models)/(?!__init__\.py$)|/tests/|/test_\w+\.py$|_test\.py$"
    r"|\.(pyi|pyx|pxd|c|h)$|/(RECORD|INSTALLER|REQUESTED)$"
)


def main() -> None:
    """Make the tree of the command line; the build fails with the first error."""
    root = sys.argv[1]
    tree = os.path.join(root, HOME)
    library = os.path.join(tree, "lib", VERSION)
    packages = os.path.join(
        tree, "lib/python3/dist-packages"
    )  # Debian's `site` looks there, whatever the prefix
    _copy_library(library)
    _copy_packages(f"/{HOME}/lib/{VERSION}/site-packages", packages)
    _compile(tree, library, packages)
    _copy_programs(tree)
    libraries = _copy_shared_objects(tree)
    _make_programs(
        tree, next(path for path in libraries if os.path.basename(path).startswith("ld-linux"))
    )
    _copy_documents(tree, libraries)
    _link_root(root)


def _copy_library(target: str) -> None:
    def unwanted(_: str, names: list[str]) -> list[str]:
        return [
            one
            for one in names
            if one == "__pycache__" or one in NO_MODULES or one.partition(".")[0] in NO_MODULES
        ]

    # Symlinks are followed: Debian has some to files in /etc.
    shutil.copytree(
        sysconfig.get_path("stdlib"), target, ignore=unwanted, ignore_dangling_symlinks=True
    )
    shutil.copy(os.path.join(HERE, "sitecustomize.py"), target)


def _copy_packages(source: str, target: str) -> None:
    for folder, folders, names in os.walk(source):
        folders[:] = [one for one in folders if one != "__pycache__"]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), source)
            if not NO_FILES.search(path):
                os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
                shutil.copy(os.path.join(source, path), os.path.join(target, path))


def _compile(tree: str, library: str, packages: str) -> None:
    """Byte code in place of the sources, but beside our own: a traceback then shows our lines."""
    ours = os.path.join(packages, "config_supervisor")
    aside = os.path.join(packages, "..", "config_supervisor")
    os.rename(ours, aside)
    for folder in (library, packages):
        _compile_all(tree, folder, legacy=True)
        for path, _, names in os.walk(folder):
            for name in names:
                if name.endswith(".py"):
                    os.unlink(os.path.join(path, name))
    os.rename(aside, ours)
    _compile_all(tree, ours, legacy=False)


def _compile_all(tree: str, folder: str, *, legacy: bool) -> None:
    done = compileall.compile_dir(
        folder,
        maxlevels=100,
        quiet=1,
        force=True,
        legacy=legacy,
        stripdir=tree,
        prependdir=f"/{HOME}",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        sys.exit(f"make_tree: cannot compile {folder}: see above")


def _copy_programs(tree: str) -> None:
    """The interpreter and its scripts, where the launcher looks for them."""
    target = os.path.join(tree, "lib/programs")
    os.makedirs(target)
    shutil.copy(os.path.realpath(sys.executable), os.path.join(target, "python3"))
    for name in (*PROGRAMS, *LINKS):
        script = "supervisor" if name in LINKS else name
        shutil.copyfile(os.path.join(HERE, "programs", script), os.path.join(target, name))
    shutil.copyfile(os.path.join(HERE, "install.py"), os.path.join(target, "supervisor-install"))


def _make_programs(tree: str, loader: str) -> None:
    """A launcher for each program, and the loader under the program's name, by which the kernel
    will call it.
    """
    for folder in ("bin", "lib/loader"):
        os.makedirs(os.path.join(tree, folder))
    for name in os.listdir(os.path.join(tree, "lib/programs")):
        shutil.copy(LAUNCHER, os.path.join(tree, "bin", name))
        os.symlink(
            os.path.join("..", os.path.basename(loader)), os.path.join(tree, "lib/loader", name)
        )


def _copy_shared_objects(tree: str) -> set[str]:
    """Copy the libraries of the interpreter and its extension modules; returns the originals'
    paths.

    The names and the files of /etc/passwd need none: since glibc 2.34 `files` and `dns` are part of
    libc.
    """
    python = os.path.join(tree, "lib/programs/python3")
    modules = [
        os.path.join(folder, one)
        for folder, _, names in os.walk(tree)
        for one in names
        if ".so" in one
    ]
    said = subprocess.run(
        ["ldd", python, *modules], capture_output=True, text=True, check=True
    ).stdout
    if missing := re.findall(r"(\S+) => not found", said):
        sys.exit(f"make_tree: cannot find {', '.join(sorted(set(missing)))}")
    found = set(re.findall(r"(/\S+) \(0x", said))
    for path in found:
        shutil.copy(path, os.path.join(tree, "lib", os.path.basename(path)))
    return found


def _copy_documents(tree: str, libraries: set[str]) -> None:
    """The licences and versions of Debian's packages, for scanners that look for known faults."""
    files = [os.path.realpath(one) for one in libraries]
    stdlib = sysconfig.get_path("stdlib")
    files += [
        os.path.realpath(sys.executable),
        f"{stdlib}/os.py",
        f"{stdlib}/pydoc.py",
    ]  # each of another package
    files += glob.glob("/usr/lib/*-linux-musl/libc.a")  # which is in the launcher
    said = subprocess.run(
        ["dpkg-query", "--search", *files], capture_output=True, text=True, check=True
    ).stdout
    packages = sorted(set(re.findall(r"^([^:\s]+)[:\s]", said, re.MULTILINE)))
    documents = os.path.join(tree, "share/doc")
    for name in packages:
        os.makedirs(os.path.join(documents, name))
        shutil.copy(f"/usr/share/doc/{name}/copyright", os.path.join(documents, name))
    os.makedirs(os.path.join(documents, "supervisor"))
    shutil.copy(f"/{HOME}/LICENSE", os.path.join(documents, "supervisor/copyright"))
    listing = [
        "dpkg-query",
        "--show",
        "--showformat=${source:Package} ${binary:Package} ${Version}\n",
        *packages,
    ]
    with open(
        os.path.join(documents, "supervisor/debian-packages.txt"), "w", encoding="utf-8"
    ) as file:
        subprocess.run(listing, stdout=file, check=True)


def _link_root(root: str) -> None:
    """Make the image's root a tree as well, and offer links for /usr/local/bin of an image with a
    copy of the tree.
    """
    for name in PARTS:
        os.symlink(os.path.join(HOME, name), os.path.join(root, name))
    commands = os.path.join(root, "usr/local/bin")
    os.makedirs(commands)
    for name in PROGRAMS:
        os.symlink(os.path.join("../../..", HOME, "bin", name), os.path.join(commands, name))


if __name__ == "__main__":
    main()

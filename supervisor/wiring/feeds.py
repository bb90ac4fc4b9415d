"""From settings to sources: which objects or directories are read, and where their files go."""

from __future__ import annotations

import os
import sys
import time

from ..core.errors import UsageError
from ..store.source_threads import DeclaredSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..options.command_line import Settings
    from ..options.parsers import ObjectName
    from ..sources.protocol import Source
    from ..store.configroot import Root

_HEAD_START = (
    0.05  # seconds for the app to start on a directory, before what watches it is imported
)


def names(settings: Settings) -> list[str]:
    """What people call each source before it was opened."""
    if settings.config_dir:
        return [f"directory {settings.config_dir}"]
    return [
        f"{kind} {one.namespace}/{one.name}" if one.namespace else f"{kind} {one.name}"
        for kind, one in _objects(settings)
    ]


def feeds(settings: Settings) -> list[DeclaredSource]:
    """Each source as something to be opened in its own thread: what it imports is
    imported there.
    """
    if settings.config_dir:
        path = settings.config_dir
        return [DeclaredSource(lambda: _open_directory(path, settings.ignore))]
    due = time.monotonic() + settings.initial_sync_timeout
    return [
        DeclaredSource(_opener(settings, kind, one, due), one.subdir)
        for kind, one in _objects(settings)
    ]


def forget() -> None:
    """Remove the files that the client library has made of keys in a kubeconfig; it would do so at
    a usual exit.
    """
    library = sys.modules.get("kubernetes.config.kube_config")
    if library is not None:
        library._cleanup_temp_files()  # noqa: SLF001 - it is registered with atexit, which does not run here


def root(settings: Settings) -> Root | None:
    """Where files are written; None when they are used where they are. Raises UsageError."""
    if settings.configroot is None:
        return None
    from ..store.configroot import Modes, Root

    umask = os.umask(0o022)  # the only way to read it
    os.umask(umask)
    modes = Modes(settings.file_mode, settings.dir_mode, _owner(settings.owner), umask)
    return Root(settings.configroot, modes, keep=settings.keep_versions)


def _objects(settings: Settings) -> Iterator[tuple[str, ObjectName]]:
    for one in settings.configmap:
        yield "configmap", one
    for one in settings.secret:
        yield "secret", one


def _owner(owner: tuple[str, str] | None) -> tuple[int, int] | None:
    if owner is None:
        return None
    from ..process import users

    name, group = owner
    try:
        return users.user_id(name), users.group_id(group) if group else -1
    except users.UnknownNameError as error:
        raise UsageError(
            f"--owner: cannot give files to {error.kind} {error.name}: {error}"
        ) from error


def _open_directory(path: str, ignore: Sequence[str]) -> Source:
    from ..sources.directory.directory_source import DirectorySource

    return DirectorySource(path, head_start=_HEAD_START, ignore=ignore)


def _opener(settings: Settings, kind: str, one: ObjectName, due: float) -> Callable[[], Source]:
    def open_object() -> Source:
        from ..sources.kubernetes.api_source import Access, KubernetesSource, Label

        access = Access(settings.kubeconfig, settings.context)
        namespace = one.namespace or settings.namespace or ""
        return KubernetesSource(Label(kind, namespace, one.name), access, due=due)

    return open_object

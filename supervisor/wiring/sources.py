"""From settings to sources: the objects or the directory to read."""

from __future__ import annotations

import sys
import time

from ..sources.interface import Label
from ..store.source_threads import DeclaredSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from ..options.command_line import Settings
    from ..options.parsers import ObjectName
    from ..sources.interface import Source

# Seconds for the app to start on a directory, before inotify's library is imported.
_HEAD_START = 0.05


def names(settings: Settings) -> list[str]:
    """The name of each source for people, before it is opened."""
    if settings.config_dir:
        return [str(Label("directory", "", settings.config_dir))]
    return [str(Label(kind, wanted.namespace, wanted.name)) for kind, wanted in _objects(settings)]


def declared(settings: Settings) -> list[DeclaredSource]:
    """Each source with its opener, which runs, and imports, in the source's own thread."""
    if settings.config_dir:
        path = settings.config_dir
        identity = ("directory", path, settings.ignore)
        return [DeclaredSource(lambda: _open_directory(path, settings.ignore), "", identity)]
    due = time.monotonic() + settings.initial_sync_timeout
    return [
        DeclaredSource(
            _opener(settings, kind, one, due), one.subdir, _identity(settings, kind, one)
        )
        for kind, one in _objects(settings)
    ]


def _identity(settings: Settings, kind: str, one: ObjectName) -> tuple[str | None, ...]:
    namespace = one.namespace or settings.namespace
    return (kind, namespace, one.name, settings.kubeconfig, settings.context)


def remove_key_files() -> None:
    """Remove the files with keys of a kubeconfig, if it was read."""
    kubeconfig = _imported("kubernetes.kubeconfig")
    if kubeconfig is not None:
        kubeconfig.remove_key_files()


def leave_watches() -> None:
    """Leave the end of all watches of directories to the kernel, at the end of the process."""
    late_release = _imported("directory.late_release")
    if late_release is not None:
        late_release.leave_behind()


def _imported(name: str) -> ModuleType | None:
    """A module of the sources, if it is in use: nothing is imported at the end."""
    package = __name__.removesuffix(".wiring.sources")
    return sys.modules.get(f"{package}.sources.{name}")


def _objects(settings: Settings) -> Iterator[tuple[str, ObjectName]]:
    for one in settings.configmap:
        yield "configmap", one
    for one in settings.secret:
        yield "secret", one


def _open_directory(path: str, ignore: Sequence[str]) -> Source:
    from ..sources.directory.directory_source import DirectorySource

    return DirectorySource(path, head_start=_HEAD_START, ignore=ignore)


def _opener(settings: Settings, kind: str, one: ObjectName, due: float) -> Callable[[], Source]:
    def open_object() -> Source:
        from ..sources.kubernetes.credentials import Access
        from ..sources.kubernetes.kubernetes_source import KubernetesSource

        access = Access(settings.kubeconfig, settings.context)
        namespace = one.namespace or settings.namespace or ""
        # The pods of a fleet name a version by the revisions of its objects.
        revisions = settings.fleet is not None
        label = Label(kind, namespace, one.name)
        return KubernetesSource(label, access, due=due, revisions=revisions)

    return open_object

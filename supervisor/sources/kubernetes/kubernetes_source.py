"""A ConfigMap or Secret as a source, followed through the Kubernetes API.

Only a difference in content is reported, so a watch that ends and an object that is read again do
not show. Must not know the use of the content. Imported by the thread that runs it.
"""

from __future__ import annotations

from ..interface import Content
from .answer_parsing import AnswerParser
from .followed_object import Subject
from .object_decoding import changed_at, files, paused, revision
from .object_follower import ObjectFollower
from .retry_pace import RetryPace, Timing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..interface import Label, Sink
    from .credentials import Access


class KubernetesSource:
    """One ConfigMap or Secret. `run` is the body of a thread."""

    def __init__(
        self,
        label: Label,
        access: Access,
        timing: Timing | None = None,
        *,
        due: float | None = None,
        revisions: bool = False,
    ) -> None:
        """`label`: of kind configmap or secret; an empty namespace is filled in at the first
        connect. `due`: the deadline of the first content (monotonic); the last try comes shortly
        before. `revisions`: report an object of the same content once its revision differs.
        """
        self._private = label.kind == "secret"
        self._revisions = revisions
        subject = Subject(label, AnswerParser(private=self._private))
        self._follower = ObjectFollower(subject, access, RetryPace(timing or Timing(), due))

    @property
    def label(self) -> Label:
        return self._follower.label

    def run(self, sink: Sink) -> None:
        """Read, watch, read again, until a failure is fatal. An Exception of the sink is a failed
        try; others pass.
        """
        contents = Contents(sink, private=self._private, revisions=self._revisions)
        self._follower.run(sink, contents)


class Contents:
    """The contents of the object's states."""

    def __init__(self, sink: Sink, *, private: bool, revisions: bool) -> None:
        self._sink = sink
        self._private = private
        self._revisions = revisions
        self._content: Content | None = None  # of the last report

    @property
    def found(self) -> bool:
        return self._content is not None

    def take(self, obj: Any, saw: str) -> bool:
        """Report an object whose content, or pause, differs from the last, or its absence; whether
        it did.
        """
        if obj is None:
            self._report(None, saw)
            return True
        meta = obj["metadata"]
        found = files(obj, private=self._private)
        now = revision(meta)
        held = paused(meta)
        last = self._content
        if last is not None and found == last.files:
            same = not self._revisions or now == last.revision
            if same and held == last.paused:
                return False
            found = dict(last.files)  # rather than a second copy in memory
        del last  # the sink's work would keep the former content alive
        content = Content(found, self._private, changed_at(meta), revision=now, paused=held)
        self._report(content, saw)
        return True

    def repeat(self) -> None:
        self._report(self._content, "")

    def _report(self, content: Content | None, saw: str) -> None:
        self._content = None  # the sink's work would keep the former content alive
        self._sink.read(content, saw=saw)
        self._content = content

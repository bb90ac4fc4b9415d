"""The laws of a fleet about single steps: a witness of each order, deed and write.

A law looks at the messages that a pod has heard and at the Lease as it stood, never at the state of
the rules under test.
"""

from __future__ import annotations

import collections
import re

from config_supervisor.core import actions, errors
from config_supervisor.core import events as ev
from config_supervisor.core.life_state import Ended, Phase
from config_supervisor.core.service import Service
from config_supervisor.fleet import events as fev
from config_supervisor.fleet import lease as ledgers
from config_supervisor.fleet import orders
from config_supervisor.fleet.lease import LeaseState, Ledger
from tests.unit.consistency import flaws
from tests.unit.fleet_api import Api, Author
from tests.unit.fleet_pod import Pod

CANARIES = 3  # pods, at most, that a version hurts that always fails
REMEMBERED = 8
FAILING = ("validate", "verify", "unready", "kills", "bake", "check")  # on all pods


def meaning(state: LeaseState) -> Ledger:
    read = ledgers.read(state)
    return read if isinstance(read, Ledger) else Ledger()


def bad(ledger: Ledger) -> list[str]:
    return [one.version for one in ledger.bad]


class Knowledge:
    """The messages that one process of a pod has heard of the Lease."""

    def __init__(self) -> None:
        self.newest = -1  # the index of the newest revision
        self.ledger = Ledger()  # its meaning
        self.sentenced: set[str] = set()  # versions that were bad once
        self.unfetched = False  # --fleet-keep had nothing for it
        self.unread = False  # the Lease could not be read, or told nothing
        self.lacking = False  # no version of its own could be put in place
        self.names: dict[str, str] = {}  # of the versions that the source has offered
        self.ordered: set[str] = set()  # versions applied because nothing else was there

    def hear(self, index: int, state: LeaseState) -> None:
        if index >= self.newest:
            self.newest, self.ledger = index, meaning(state)
            self.sentenced.update(bad(self.ledger))

    def name(self, digest: str) -> str:
        """The name among the pods; without Secrets it is the digest."""
        return self.names.get(digest, digest)


class Laws:
    """The witness; a broken law is an AssertionError."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.known: dict[tuple[str, int], Knowledge] = {}
        self.index = {id(api.lease): 0}  # of a revision
        self.shared: dict[str, str] = {}  # the name of a digest, or "" if it has several
        self.digests: dict[str, str] = {}  # by their names
        self.proven: set[str] = set()  # digests that have passed a trial
        # Canaries that lost their trial without a verdict, and its digest.
        self.cut_short: set[tuple[str, str]] = set()
        # Pods that a person has put back to a version; their disks remember it.
        self.by_hand: set[tuple[str, str]] = set()
        self.touched: set[str] = set()  # digests that were there when people gave orders
        self.fates: dict[str, str] = {}  # of a digest
        self.excused: set[str] = set()  # versions with whose canaries people have interfered
        self.hurt: dict[str, set[str]] = collections.defaultdict(set)  # pods by digest
        self.reached: collections.Counter[str] = collections.Counter()
        self.trace: list[tuple[str, str]] = []  # the decisions of all pods
        api.judges.append(self.judge)

    def of(self, pod: Pod) -> Knowledge:
        return self.known.setdefault((pod.name, pod.process), Knowledge())

    # --- every step of a pod ---------------------------------------------------------------------

    def heard(self, pod: Pod, event: ev.Event) -> None:
        known = self.of(pod)
        match event:
            case fev.LeaseRead(state) | fev.LeaseWritten(state):
                known.hear(self.index[id(state)], state)
            case fev.LeaseFailed():
                known.unread = True
                self.reached["unknown write"] += event.unknown
            case fev.LeaseConflict():
                self.reached["conflict"] += 1
            case ev.SourceRead(offer=ev.ConfigOffered() as offer):
                known.names[offer.digest] = offer.shared
            case ev.RollbackOrdered(digest):
                self.by_hand.add((pod.name, digest))
            case fev.KeptFailed():
                known.unfetched = True
            case ev.ConfigFailed(_, "no_generation"):
                known.lacking = True

    def stepped(self, pod: Pod, before: Service) -> None:
        del before
        found = flaws(pod.state, pod.policy)
        assert [] == found, found

    def ordered(self, pod: Pod, order: object) -> None:
        self.trace.append((pod.name, re.sub(" at 0x[0-9a-f]+", "", str(order))))
        known = self.of(pod)
        match order:
            case actions.Apply(version=version) | actions.Check(version=version):
                assert version, "an order to apply whatever comes passes the gate"
                self._may_apply(pod, version)
            case actions.RollBack(digest):
                self._is_best(pod, digest, "put back")
            case Ended(code=errors.CANNOT_RUN):
                self._may_end(pod)
            case orders.WriteLease(ledger):
                self._may_write(ledger)
            case actions.Recover():
                known.lacking = False

    def did(self, pod: Pod, deed: str, version: str) -> None:
        self.reached[deed] += 1
        match deed:
            case "recovered":
                self._is_best(pod, version, deed)
            case "fetched":
                known = self.of(pod)
                assert version not in bad(known.ledger), f"{pod.name} fetched a bad version"
            case "exposed" if version not in self.of(pod).ordered:
                self.hurt[version].add(pod.name)
                fails = self.fates.get(version) in FAILING and version not in self.excused
                assert not fails or len(self.hurt[version]) <= CANARIES, (
                    f"more than {CANARIES} pods were hurt: {self.hurt[version]}"
                )
            case "kept":
                ever = any(version in meaning(one).good for one in self.api.revisions)
                assert ever, "a version was kept that was never good"

    def _is_not_bad(self, pod: Pod, digest: str, deed: str) -> None:
        known = self.of(pod)
        assert known.name(digest) not in bad(known.ledger), (
            f"{pod.name} knows {digest[:4]} as bad: it was {deed}"
        )

    def _is_best(self, pod: Pod, digest: str, deed: str) -> None:
        """A bad version of its own serves a pod only if it has no other. So does a version whose
        trial this pod has lost: stricter than "before it is good", since a pod put back to such a
        version would run on one that no trial has proved, beside pods that hold it.
        """
        known = self.of(pod)
        if self._usable(pod, digest):
            self._is_not_bad(pod, digest, deed)
        self.reached["bad, and nothing else"] += known.name(digest) in bad(known.ledger)

        if digest in (*self.proven, *self.touched) or (pod.name, digest) in self.by_hand:
            return
        others = {one for one in self._usable(pod, digest) if one in self.proven}
        self.reached["not tried to the end, and in use"] += bool(others)
        assert not others or (pod.name, digest) not in self.cut_short, (
            f"{pod.name}: {digest[:4]} has passed no trial: it was {deed}, {others} was there"
        )

    def _usable(self, pod: Pod, digest: str) -> list[str]:
        """The other versions on the disk of a pod that it knows as good, and not as bad."""
        known = self.of(pod)
        marks = pod.versions.marks if pod.versions.live else pod.disk.marks
        gone = (digest, *pod.versions.condemned)
        others = [one for one in marks.good if one in pod.disk.kept and one not in gone]
        return [one for one in others if known.name(one) not in bad(known.ledger)]

    def _may_apply(self, pod: Pod, digest: str) -> None:
        """The law of the fleet."""
        self._is_not_bad(pod, digest, "applied")
        known, ledger = self.of(pod), self.of(pod).ledger
        name = known.name(digest)
        if name in ledger.good:
            self.reached["followed"] += 1
            return
        if (ledger.trial, ledger.holder) == (name, pod.name):
            self.reached["tried"] += 1
            return
        starts = pod.life.phase is Phase.WAITING
        assert starts, f"{pod.name} applies {digest[:4]} before it is good, and holds no trial"
        ours = ledger.shape in ("", pod.shape)  # else there is no trial for this pod
        assert not ours or name not in known.sentenced, f"{pod.name}: {digest[:4]} was bad"
        own = self._usable(pod, digest)
        assert not own, f"{pod.name} has {own[0][:4]} to start on, and applies {digest[:4]}"
        fetches = ours and pod.setting.keeps and self.api.kept[0] and ledger.good
        if fetches and self.api.kept[0] == ledger.good[0]:
            assert known.unfetched or known.unread, f"{pod.name} did not look into --fleet-keep"
        self.reached["nothing else to start on"] += 1
        known.ordered.add(digest)

    def _may_end(self, pod: Pod) -> None:
        """A pod that starts must start, unless all it could start on has failed."""
        newest = pod.newest
        if newest is None or pod.doing:
            return  # a version that is being put in place is not waited for
        failed = newest.digest in pod.versions.marks.rejected or pod.trouble
        validated = self.fates[newest.digest] == "validate"
        sentenced = newest.shared in bad(self.of(pod).ledger)
        assert failed or validated or sentenced, f"{pod.name} does not start on {newest.digest[:4]}"
        self.reached["does not start"] += 1

    def _may_write(self, ledger: Ledger) -> None:
        """A claim is known by its trial."""
        names = [one.version for one in ledger.bad]
        assert not set(names) & set(ledger.good), "good and bad at once"
        assert ledger.trial not in names or not ledger.trial, "on trial and bad at once"

    # --- every write of the Lease ----------------------------------------------------------------

    def judge(self, before: LeaseState, after: LeaseState, author: Author) -> None:
        self.index[id(after)] = len(self.api.revisions)
        old, new = meaning(before), meaning(after)
        self.proven.update(self.digests[one] for one in (*new.good, new.passed) if one)
        words = {order.partition(" ")[0] for order in author.orders}
        if words:
            self.touched.update(self.fates)
        if author.deletes or "clear" in words:
            self.excused.update(self.fates)
        self.excused.update(one for one, name in self.shared.items() if name in new.hurry)
        told = (*new.good, new.passed, *bad(new))
        lost = old.holder and (old.trial, old.holder) != (new.trial, new.holder)
        if old.trial and lost and old.trial not in told:
            self.cut_short.add((old.holder, self.digests[old.trial]))
        if new.trial:
            self.cut_short.discard((new.holder, self.digests[new.trial]))
        if not author.deletes:
            self._nothing_is_lost(old, new, author)
        self._reach(old, new, author)

    def _nothing_is_lost(self, old: Ledger, new: Ledger, author: Author) -> None:
        words = {order.partition(" ")[0] for order in author.orders}
        for at, version in enumerate(bad(old)):
            if version in bad(new):
                continue
            lifted = f"approve {version}" in author.orders or "clear" in words
            newer = len(set(bad(new)) - set(bad(old)))
            assert lifted or at + newer >= REMEMBERED, f"the verdict on {version[:4]} is lost"
        for at, version in enumerate(old.good):
            if version in new.good or version in bad(new):
                continue
            newer = len(set(new.good) - set(old.good))
            assert at + newer >= REMEMBERED, f"{version[:4]} is no longer good"

    def _reach(self, old: Ledger, new: Ledger, author: Author) -> None:
        """Count the states that are worth a visit."""
        if new.trial and (new.trial, new.tries) != (old.trial, old.tries):
            kind = "takeover" if new.trial == old.trial else "claim"
            self.reached[kind if not old.trial or kind == "takeover" else "newer on trial"] += 1
        if old.holder and not new.holder and new.trial == old.trial != "":
            self.reached["resigned"] += 1
        for one in new.bad:
            if one not in old.bad:
                self.reached[f"bad: {one.reason}"] += 1
        self.reached["passed"] += new.passed not in ("", old.passed)
        self.reached["good"] += new.good != old.good
        self.reached["hurry"] += new.hurry not in ("", old.hurry)
        self.reached["recall"] += new.recalled not in ("", old.recalled)
        self.reached["deleted"] += author.deletes

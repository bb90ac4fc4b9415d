"""Starts of an app whose fleet decides which version may be applied."""

from __future__ import annotations

from config_supervisor.core import events as ev
from config_supervisor.core.actions import Apply, Recover, Spawn
from config_supervisor.core.life_state import Ended
from config_supervisor.core.outcomes import ApplyFailure
from config_supervisor.core.versions import Marks
from tests.unit.test_version_gate import BAD, gated

NONE = ev.ConfigFailed("", ApplyFailure.NO_GENERATION, "/cfg holds none")


def test_start_on_the_last_version_takes_only_good_ones() -> None:
    app = gated()
    app.at(1, ev.ConfigOffered("b"), BAD)

    recover = Recover(condemned=("x", "b"), proven=True)
    assert [recover] == app.at(1, ev.StartOnLast(("x",)))
    assert [Spawn()] == app.at(1, ev.ConfigApplied("a", cached=True))
    assert [] == app.at(2, ev.StartOnLast())


def test_start_does_without_a_version_condemned_in_between() -> None:
    app = gated()
    app.at(1, ev.ConfigOffered("b"), ev.VersionCleared("b"), BAD)

    assert [Recover(condemned=("b",), proven=True)] == app.at(2, ev.ConfigApplied("b"))
    assert [Spawn()] == app.at(2, ev.ConfigApplied("a", cached=True))


def test_start_without_a_version_ends_with_the_reason() -> None:
    app = gated()
    app.at(1, ev.ConfigOffered("b"), BAD)

    assert [Recover(condemned=("b",), proven=True)] == app.at(60)
    assert [Ended(125)] == app.at(60, NONE)

    words = "the fleet holds configuration b: condemned by web-1: verify; /cfg holds none"
    assert words == app.life.error


def test_start_without_the_sources_takes_no_failed_version() -> None:
    app = gated()

    assert [Recover(unfailed=True)] == app.at(60)


def test_start_waits_for_the_fleet_even_after_its_time() -> None:
    app = gated()
    app.at(60)
    app.at(60.01, ev.ConfigOffered("b"))
    assert [] == app.at(60.02, NONE)

    assert [Apply(version="b")] == app.at(61, ev.VersionCleared("b"))


def test_late_start_that_is_condemned_ends() -> None:
    app = gated()
    app.at(60)
    app.at(60.01, ev.ConfigOffered("b"))
    app.at(60.02, NONE)

    assert [] == app.at(61, BAD)
    assert [Recover(condemned=("b",), proven=True)] == app.at(120.02)
    assert [Ended(125)] == app.at(121, NONE)


def test_memory_of_an_earlier_run_yields_to_the_fleet() -> None:
    """The marks arrive with the first order to the disk, after the first words of the fleet."""
    app = gated()
    app.at(1, ev.ConfigOffered("c"), BAD, ev.VersionCleared("c", trial=True))
    marked = app.marked

    app.at(1, ev.Remembered(Marks(good=("b", "a"), failed=(("c", "failed before"),))))

    marks = app.versions.marks
    assert (("a",), ["b"], "c") == (marks.good, [*marks.rejected], marks.baking)
    assert "a" == app.versions.good
    assert marked + 1 == app.marked  # at the clearing there was no file to write to yet

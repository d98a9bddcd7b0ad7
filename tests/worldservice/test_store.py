"""The WorldService's store: what is kept, what is forgotten, and that no sequence can ever have two contents."""

import sqlite3

import pytest

from ackgap.contract import load
from ackgap_reference.durable import StoreError
from ackgap_reference.worldservice.core import Keep, Publish, RefusedError, Switch, WorldService
from ackgap_reference.worldservice.store import Store
from ackgap_reference.worldservice.world import NS_PER_MS, Begin, Limits, Override, Stage

KEY = ("alpha", "long")
LIMITS = Limits(freeze=100 * NS_PER_MS, switch=100 * NS_PER_MS)


class Service:
    """Core and store, with a bus that takes everything and a switch that works at once, unless told otherwise."""

    def __init__(self, path=":memory:", *, keep_runs=100):
        self.store, self.keep_runs, self.switching = Store(str(path)), keep_runs, True
        self.core = WorldService(constants=load().constants, limits=LIMITS, enveloped=True, timestamp=lambda: "t")
        self.published = []
        self.take(self.core.resume(self.store.worlds(), 0))
        for event in self.store.waiting():
            self.publish(event)

    def take(self, effects, now=0):
        with self.store.transaction():
            for effect in effects:
                if isinstance(effect, Keep):
                    self.store.keep(effect)
                elif isinstance(effect, Publish):
                    self.store.emit(effect, emitted_ms=1000 + effect.number)
        for effect in effects:
            if isinstance(effect, Publish):
                self.publish(effect, now)
            elif isinstance(effect, Switch) and self.switching:
                self.take(self.core.switched(effect.world_id, effect.run_id, now), now)

    def publish(self, event, now=0):
        self.published.append((event.world_id, event.number, event.value))
        with self.store.transaction():
            self.store.published(event.world_id, event.number)
        self.take(self.core.published(event.world_id, event.number, now), now)

    def apply(self, run, world="w", keys=(KEY,)):
        begin = Begin(run_id=run, digest=run, entries={key: {"active": True, "weight": 0.5} for key in keys})
        new, effects = self.core.apply(world, begin, 0)
        self.take(effects)
        return new


def test_what_is_read_again_is_what_was_written(tmp_path):
    service = Service(tmp_path / "w.db")
    service.apply("r1", keys=(KEY, ("beta \x00 世界", "short")))
    service.switching = False
    service.apply("r2", "v/1")
    service.take(service.core.override("w", Override(key=KEY, change={"held_drain": True}), 0))
    known = dict(service.core.worlds)
    service.store.close()
    again = Service(tmp_path / "w.db")
    again.core.worlds = {w: known_ for w, known_ in again.core.worlds.items()}
    assert again.store.worlds()["w"] == known["w"]
    assert again.core.worlds["v/1"].run.stage is Stage.COMPLETED
    assert [n for w, n, _ in again.published if w == "v/1"] == [2]


def test_a_sequence_can_be_written_only_once():
    service = Service()
    service.apply("r1")
    twice = Publish(world_id="w", number=99, run_id="r1", sequence=1, value=b"another content")
    with pytest.raises(sqlite3.IntegrityError), service.store.transaction():
        service.store.emit(twice, 0)
    assert service.store.value("w", 99) is None


def test_events_of_old_runs_are_forgotten_but_not_how_they_ended_nor_the_last_event_of_an_entry():
    service = Service()
    service.apply("r0", keys=(KEY, ("beta", "short")))
    service.take(service.core.override("w", Override(key=KEY, change={"held_freeze": True}), 0))
    override = service.core.worlds["w"].number
    for n in range(1, 5):
        service.apply(f"r{n}")
    service.apply("r0", "other")
    with service.store.transaction():
        service.store.forget("w", 2)
    counts = {run: len(service.store.sent("w", run)) for run in ("r0", "r1", "r2", "r3", "r4")}
    assert counts == {"r0": 0, "r1": 0, "r2": 0, "r3": 4, "r4": 4}
    assert service.store.run("w", "r0").stage is Stage.COMPLETED
    assert len(service.store.sent("other", "r0")) == 2
    assert service.store.value("w", override) is None
    for key, number in service.core.worlds["w"].last_event.items():
        assert service.store.value("w", number) is not None, key


def test_acks_are_noted_once_and_never_before_their_event():
    service = Service()
    service.apply("r1")
    with service.store.transaction():
        assert service.store.acked("w", "r1", 1, 1500) == ("first", 499)
        assert service.store.acked("w", "r1", 1, 1900) == ("repeated", 499)
        assert service.store.acked("w", "r1", 2, 900) == ("first", 0)
        assert service.store.acked("w", "r1", 3, 1500) == ("unknown", 0)
        assert service.store.acked("v", "r1", 1, 1500) == ("unknown", 0)
    assert [s.acked_ms for s in service.store.sent("w", "r1")] == [1500, 1002]


def test_missing_acks_are_those_of_the_latest_runs():
    service = Service()
    for run in ("r1", "r2"):
        service.apply(run)
    service.apply("r1", "v")
    assert service.store.figures(10_000) == {"waiting": 0, "missing": 4}
    with service.store.transaction():
        service.store.acked("w", "r2", 1, 2000)
    assert service.store.figures(10_000)["missing"] == 3
    assert service.store.figures(1000)["missing"] == 0


def test_deadlines_are_told_and_served():
    service = Service()
    service.switching = False
    service.apply("r1")
    assert service.core.next_timer() == 100 * NS_PER_MS
    assert service.core.tick(99 * NS_PER_MS) == []
    service.take(service.core.tick(100 * NS_PER_MS))
    assert service.core.worlds["w"].run.stage is Stage.ROLLED_BACK
    assert service.core.next_timer() is None


def test_what_cannot_be_granted_is_refused_with_a_status():
    service = Service()
    service.switching = False
    service.apply("r1")
    hold, weight = ({"held_freeze": True}, {"weight": 1.0})
    for status, call in [
        (409, lambda: service.apply("r2")),
        (404, lambda: service.core.override("w", Override(key=("no", "long"), change=hold), 0)),
        (404, lambda: service.core.override("v", Override(key=KEY, change=hold), 0)),
        (409, lambda: service.core.override("w", Override(key=KEY, change=weight), 0)),
        (404, lambda: service.core.abort("w", "r2", 0)),
    ]:
        with pytest.raises(RefusedError) as caught:
            call()
        assert caught.value.status == status
    assert service.apply("r1") is False


def test_a_file_of_another_program_or_version_is_refused(tmp_path):
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="not made by this version"):
        Store(str(tmp_path / "other.db"))
    with pytest.raises(StoreError, match="cannot be used"):
        Store(str(tmp_path / "no" / "such" / "folder.db"))

"""What is judged once is judged as if it were judged each time, and only what is the same counts as the same."""

from dataclasses import replace

import pytest

from ackgap.harness.virtual import VirtualRun
from ackgap.history import AckSeen, Emitted, InstanceStarted
from ackgap.oracle.judge import judge
from ackgap.selfcheck.judging import WatchedJudge
from ackgap.selfcheck.precedents import Precedents, fingerprint
from ackgap.selfcheck.rehearsals import Noted, Rehearsal, Rehearsals
from ackgap.selfcheck.virtual import VirtualTrial, plan_of
from ackgap.target.faulty import catalogue, strange_catalogue
from ackgap.target.reference import reference_core

pytestmark = pytest.mark.timeout(300)
# One of each group, one that leaves nothing as it is, one that shows in a restart, and a right one.
SAMPLE = ("pair-baseline-duplicates", "form-of-first", "half-timeout", "opens-in-outage", "loses-buffer-at-stop")


class Alone:
    """Rehearsals that nobody is like, so that all is played and judged anew."""

    def __init__(self, contract):
        self.precedents, self.seed = Precedents(contract, kept=0), 1
        self.made = Rehearsals(reference_core(), self.precedents, seed=1)

    def of(self, setting, cast):
        return replace(self.made.of(setting, cast), head=())


@pytest.fixture(scope="module")
def plan(contract):
    return plan_of(contract, seed=1)


@pytest.fixture(scope="module")
def shared(contract):
    return Rehearsals(reference_core(), Precedents(contract), seed=1)


@pytest.fixture(scope="module")
def alone(contract):
    return Alone(contract)


@pytest.fixture(scope="module")
def some_history(plan):
    planned = plan.instances[0]
    history: list = []
    run = VirtualRun(factory=reference_core(), setting=planned.setting, sink=history.append)
    run.run(planned.casts[:1])
    return history


def tried(name, plan, rehearsals, kind="faulty"):
    factory = (catalogue() if kind == "faulty" else strange_catalogue())[name]
    trial = VirtualTrial(name=name, kind=kind, factory=factory, plan=plan, rehearsals=rehearsals)
    return replace(trial.run(), seconds=0.0)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_trial_with_precedents_is_the_same_as_one_without(name, plan, shared, alone):
    first, again = tried(name, plan, shared), tried(name, plan, shared)
    assert first.kills
    assert first == again == tried(name, plan, alone)


def test_a_certification_with_precedents_is_the_same_as_one_without(plan, shared, alone):
    with_them = tried("verifies-snapshot", plan, shared, kind="strange")
    assert with_them == tried("verifies-snapshot", plan, alone, kind="strange")
    assert with_them.exit_code == 0


def test_a_second_trial_of_one_gateway_is_judged_by_precedents_alone(plan, contract):
    rehearsals = Rehearsals(reference_core(), Precedents(contract), seed=1)
    tried("half-timeout", plan, rehearsals)
    before = rehearsals.precedents.judged
    tried("half-timeout", plan, rehearsals)
    assert rehearsals.precedents.judged == before


def test_every_field_of_every_record_counts(some_history, contract):
    precedents = Precedents(contract)
    precedents.outcome(some_history)
    assert fingerprint(some_history) in precedents.outcomes
    changes = 0
    for place, observation in enumerate(some_history):
        for name in type(observation).__slots__:
            other = replace(observation, **{name: changed(getattr(observation, name))})
            changed_there = fingerprint([*some_history[:place], other, *some_history[place + 1 :]])
            assert changed_there, (observation.kind, name)
            assert changed_there not in precedents.outcomes, (observation.kind, name)
            changes += 1
    assert changes > 100


def changed(value):
    """The nearest other value."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case tuple():
            return (*value, "x")
        case dict():
            return {**value, "x": 1}
    return "x"


def test_a_changed_history_has_no_precedent(some_history, contract):
    precedents = Precedents(contract)
    assert precedents.outcome(some_history).kills == ()
    place = max(n for n, o in enumerate(some_history) if isinstance(o, AckSeen))
    mangled = replace(some_history[place], value="no JSON")
    history = [*some_history[:place], mangled, *some_history[place + 1 :]]
    assert "MSG-01" in {kill.requirement for kill in precedents.outcome(history).kills}
    assert precedents.judged == 2
    assert precedents.outcome(some_history).kills == ()
    assert precedents.judged == 2


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (None, "")])
def test_values_that_python_calls_equal_may_differ(one, other):
    first, second = (Emitted(t=0, instance="i", world_id="w", body={"weight": v}) for v in (one, other))
    assert fingerprint([first]) != fingerprint([second])


def test_equal_text_is_the_same_however_it_came_to_be():
    value = "".join(["w", "orld"])
    made = Emitted(t=0, instance="i", world_id=value, body={"a": value, "b": value})
    assert fingerprint([made]) == fingerprint([replace(made, world_id="world", body={"a": "world", "b": "wor" + "ld"})])


def test_what_is_no_plain_data_is_judged_each_time(contract):
    precedents = Precedents(contract)
    odd = Emitted(t=0, instance="i", world_id="w", body={"weight": object()})
    precedents.outcome([odd])
    precedents.outcome([odd])
    assert precedents.judged == 2


def test_no_more_precedents_are_kept_than_asked_for(contract):
    precedents = Precedents(contract, kept=2)
    for n in (1, 2, 3, 2, 1):
        precedents.outcome([Emitted(t=n, instance="i", world_id="w", body={})])
    assert len(precedents.outcomes) == 2
    assert precedents.judged == 4


def test_ledgers_of_single_scenarios_add_up_to_what_one_judge_finds(plan, contract):
    planned = plan.instances[0]
    whole: list = []
    VirtualRun(factory=catalogue()["form-of-first"], setting=planned.setting, sink=whole.append).run(planned.casts[:3])
    total = WatchedJudge(contract)
    for observation in whole:
        total.observe(observation)
    total.close()
    parts = Precedents(contract)
    history: list = []
    run = VirtualRun(factory=catalogue()["form-of-first"], setting=planned.setting, sink=history.append)
    run.begin()
    head = list(history)
    summed: dict = {}
    for cast in planned.casts[:3]:
        history[:] = head
        run.play(cast)
        for requirement, row in parts.outcome(history).ledger.rows.items():
            counts = summed.setdefault(requirement, [0, 0, 0])
            for n, count in enumerate((row.exercised, row.convictions, row.doubts)):
                counts[n] += count
    rows = total.bench.ledger.rows
    assert summed == {r: [row.exercised, row.convictions, row.doubts] for r, row in rows.items()}
    assert isinstance(whole[0], InstanceStarted)
    assert judge(contract, whole).findings["MSG-01"].exercised == rows["MSG-01"].exercised


class Answers:
    """A core with one answer."""

    def __init__(self, timer=5, state="closed", **hints):
        self.timer, self.state = timer, state
        vars(self).update(hints)

    def next_timer(self):
        return self.timer

    def gate(self, world_id, run_id):
        return {"state": self.state}


def rehearsed(core, *asked):
    calls: list = [("build", (), {}, None, ())]
    noted = Noted(core, calls)
    for name, *given in asked:
        method = getattr(noted, name, None)
        if method is not None:
            method(*given)
    return Rehearsal(head=(), calls=tuple(calls), outcome=None)


def test_a_core_that_answers_alike_is_like_the_reference():
    assert rehearsed(Answers(), ("next_timer",), ("gate", "w", "r"), ("closing", 3)).like(Answers)


@pytest.mark.parametrize(
    "other",
    [
        lambda: Answers(timer=6),
        lambda: Answers(timer=5.0),
        lambda: Answers(timer=None),
        lambda: Answers(state="open"),
        lambda: Answers(closing=lambda now: []),
    ],
)
def test_a_core_that_answers_otherwise_in_any_way_is_not(other):
    assert not rehearsed(Answers(), ("next_timer",), ("gate", "w", "r"), ("closing", 3)).like(other)


class LooksAtTheClock(Answers):
    """A core that asks for the time of day so many times in a call."""

    wall_clock = None

    def __init__(self, looks=1):
        super().__init__()
        self.looks = looks

    def next_timer(self):
        return sum(self.wall_clock() for _ in range(self.looks))


def test_the_wall_clock_shows_a_core_again_what_it_showed_the_reference():
    calls: list = [("build", (), {}, None, ())]
    noted = Noted(LooksAtTheClock(), calls)
    shown = iter([70, 30])
    noted.wall_clock = lambda: next(shown)
    assert [noted.next_timer(), noted.next_timer()] == [70, 30]
    rehearsal = Rehearsal(head=(), calls=tuple(calls), outcome=None)
    assert rehearsal.like(LooksAtTheClock)
    assert not rehearsal.like(lambda: LooksAtTheClock(looks=2))
    assert not rehearsal.like(lambda: LooksAtTheClock(looks=0))
    assert not rehearsal.like(lambda: Answers(timer=70))


def test_a_core_that_lacks_a_hint_which_the_reference_takes_is_not_like_it():
    assert not rehearsed(Answers(closing=lambda now: []), ("closing", 3)).like(Answers)

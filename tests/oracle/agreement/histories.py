"""Random histories: random scenarios, played by Gateways of all kinds in virtual time."""

from ackgap.contract import load
from ackgap.harness.plan import fits
from ackgap.harness.virtual import VirtualRun
from ackgap.scenario.cast import cast
from ackgap.scenario.loader import parse
from ackgap.target.faulty import catalogue as faulty_catalogue
from ackgap.target.faulty import strange_catalogue
from ackgap_reference.gateway import build
from tests.conftest import SETTINGS

VERBS = ("freeze", "unfreeze", "unfreeze", "drain")
ENTRIES = ("alpha/long", "beta/short", "alpha/short")
CHANGES = (
    {"weight": 0.5}, {"active": False}, {"freeze": True}, {"etag": "other"}, {"active": True, "freeze": False},
)  # fmt: skip
INVALID = (
    {"text": "no json"}, {"json": [1]}, {"text": '{"world_id":"{world}","requires_ack":true}'}, {"base64": "/w=="},
)  # fmt: skip
BAD_SEQUENCES = ("3", 1.5, True, 0, -1)
ANSWERS = (
    {"status": 503}, {"failure": "hung"}, {"failure": "cut"}, {"failure": "refused"}, {"text": "{"}, {"delay_ms": 400},
    {"change": {"world_id": "another"}}, {"drop": ["run_id"]}, {"drop": ["sequence"]}, {"change": {"run_id": "other"}},
    {"change": {"state_hash": "h-nobody"}}, {"at": 1}, {"at": 2}, {"at": 3}, {},
)  # fmt: skip


def cores(dice):
    """One Gateway: mostly right ones, now and then a wrong one."""
    faulty = faulty_catalogue()
    what = dice.random()
    if what < 0.4:
        return "reference", build
    if what < 0.8:
        strange = strange_catalogue()
        name = dice.choice(sorted(strange))
        return name, strange[name]
    name = dice.choice(sorted(faulty))
    return name, faulty[name]


def source(dice):
    """A random scenario as its author would write it."""
    worlds = {"w": {}, "v": {}} if dice.random() < 0.2 else {"w": {}}
    streams = {}
    for alias in "ab" if len(worlds) > 1 or dice.random() < 0.25 else "a":
        entries = ENTRIES[: dice.randint(1, 3)]
        plan = [f"freeze {e}" for e in entries] + [f"unfreeze {e}" for e in entries]
        if dice.random() < 0.4:
            plan = [f"{dice.choice(VERBS)} {dice.choice(entries)}" for _ in range(dice.randint(2, 7))]
        streams[alias] = {
            "world": "v" if alias == "b" and len(worlds) > 1 else "w", "run": dice.choice(["r1", f"r-{alias}"]),
            "plan": plan, "form": dice.choice(["enveloped", "enveloped", "flat"]),
        }  # fmt: skip
    if len(worlds) == 1 and len({s["run"] for s in streams.values()}) < len(streams):
        streams["b"]["run"] = "r2"
    steps = list(_steps(dice, worlds, streams))
    behaviour = {}
    if dice.random() < 0.6:
        behaviour = {
            world: {
                endpoint: [dice.choice(ANSWERS) for _ in range(dice.randint(0, 2))]
                for endpoint in ("state_hash", "snapshot")
            }
            for world in worlds
        }
        last = dice.choice(list(worlds))
        if dice.random() < 0.3:
            at = dice.randint(1, 4)
            behaviour[last] = {e: [{"at": at, "times": 0}] for e in ("state_hash", "snapshot")}
    return {
        "id": "random", "title": "random", "group": "SYNC", "exercises": ["ACK-01"], "timeout": "any",
        "worlds": worlds, "streams": streams, "worldservice": behaviour, "steps": steps,
    }  # fmt: skip


def _steps(dice, worlds, streams):
    events = []
    for alias, stream in streams.items():
        order = [f"{alias}.{n}" for n in range(1, len(stream["plan"]) + 1)]
        for _ in range(dice.choice([0, 0, 1, 1, 2])):
            i = dice.randrange(len(order))
            order.insert(min(len(order), i + dice.randint(1, 3)), order.pop(i))
        events.append(order)
    merged = []
    while any(events):
        merged.append(dice.choice([e for e in events if e]).pop(0))
    lost = set(dice.sample(merged, min(len(merged) - 1, dice.choice([0, 0, 1, 1, 2]))))
    late = {e for e in sorted(lost) if dice.random() < 0.5}
    for event in merged:
        yield {"emit": event} if event in lost else {"deliver": _how(dice, event)}
        what = dice.random()
        if what < 0.12:
            again = dice.choice([e for e in merged[: merged.index(event) + 1] if e not in lost] or [event])
            if again not in lost:
                yield {"deliver": _how(dice, again, changed=dice.random() < 0.5)}
        elif what < 0.2:
            yield {"settle": "all"}
        elif what < 0.25:
            yield {"invalid": _invalid(dice, event)}
        elif what < 0.29:
            yield {"unsequenced": {"stream": event[0], "phase": dice.choice(VERBS[:2])}}
        elif what < 0.34:
            yield {"wait": {"timeouts": dice.choice([0.2, 0.6, 1.2])}}
        elif what < 0.37:
            yield {"wait": {"acked": event, "up_to_ms": 50}}
    if dice.random() < 0.6:
        yield {"settle": "all"}
    if dice.random() < 0.6:
        yield {"wait": {"timeouts": dice.choice([0.3, 1.1, 1.4])}}
    for event in sorted(late):
        yield {"deliver": event}
    yield {"settle": "all"}
    if dice.random() < 0.6:
        yield {"wait": {"ms": dice.choice([600, 1500, 2500])}}


def _how(dice, event, *, changed=False):
    how = {"event": event}
    if changed:
        how["change"] = dice.choice(CHANGES)
    if dice.random() < 0.04:
        how["change"] = {"version": 2}
    if dice.random() < 0.06:
        how["add"] = {"novelty": 1}
    if dice.random() < 0.05:
        how["form"] = dice.choice(["flat", "enveloped"])
    return how if len(how) > 1 else event


def _invalid(dice, event):
    if dice.random() < 0.5:
        return dice.choice(INVALID)
    alias, _, number = event.partition(".")
    beyond = f"{alias}.{int(number) + dice.randint(0, 9)}"
    return {"event": beyond, "change": {"sequence": dice.choice(BAD_SEQUENCES)}}


def history(dice):
    """(name of the Gateway, scenario source, observations) of one play."""
    name, factory = cores(dice)
    given = source(dice)
    scenario = parse(given, load(), path="random")
    setting = dice.choice([s for s in SETTINGS if fits(scenario, s)])
    observed = []
    run = VirtualRun(factory=factory, setting=setting, sink=observed.append, seed=dice.randint(1, 9))
    run.run([cast(scenario, setting, "random")])
    return name, given, observed

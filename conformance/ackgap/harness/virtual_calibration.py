"""How long things take in virtual time, and how a core is measured before it is judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from ackgap.history import AckSeen, Delivered, FrameSeen, Observation
from ackgap.scenario.emission import StreamPlan, encode
from ackgap.scenario.model import AwaitAck, Cast, Deliver, Pause, Scenario, Step

MS = 1_000_000
EVENTS = 3
RELAY_MS = 500  # calibration waits this long for a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long things take in virtual time, ms."""

    append: float = 1.0
    read: float = 2.0
    ack_confirm: float = 3.0
    ack_seen: float = 4.0
    http: float = 2.0
    relay: float = 1.0
    settle: float = 20.0
    http_timeout: float = 2000.0
    ack_timeout: float = 500.0  # until an ACK that got no answer is given up
    look_again: float = 50.0  # between two questions of a step that waits for a gate


def calibration_cast() -> Cast:
    """A few events, one at a time."""
    plan = StreamPlan(
        alias="", world_id="ackgap-calibration", run_id="c", first=1, plan=(("freeze", "marker", "long"),),
        form="enveloped",
    )  # fmt: skip
    scenario = Scenario(
        id="ackgap:calibration", title="", group="", exercises=(), applies_to="any", timeout="any", source={}, path="",
        weight_timeouts=0,
    )  # fmt: skip
    steps: list[Step] = []
    for n in range(1, EVENTS + 1):
        value = encode(plan.body(n), plan.form)
        steps.append(Deliver(world_id=plan.world_id, key=plan.world_id, value=value))
        steps.append(AwaitAck(world_id=plan.world_id, run_id=plan.run_id, sequence=n, bound_timeouts=0))
        steps.append(Pause(ms=RELAY_MS))
    return Cast(scenario=scenario, worlds=(plan.world_id,), streams=(), steps=tuple(steps))


def worst_of(seen: Sequence[Observation], latencies: Latencies) -> tuple[float, float]:
    """The longest time from the arrival of an event to its ACK, and to its frame, ms; never less than the usual."""
    sent = [o.t for o in seen if isinstance(o, Delivered)]
    acked = [o.t for o in seen if isinstance(o, AckSeen)]
    shown = [o.t for o in seen if isinstance(o, FrameSeen)]
    trips = [(b - a) / MS for a, b in zip(sent, acked, strict=False)]
    relays = [(b - a) / MS for a, b in zip(sent, shown, strict=False)]
    usual = latencies.read + latencies.ack_seen
    return max([usual, *trips]), max([latencies.relay, *(r - latencies.read for r in relays)])

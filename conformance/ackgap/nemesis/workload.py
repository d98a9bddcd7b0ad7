"""Random scenarios: what the WorldService emits, how the bus mangles it, and what breaks meanwhile.

Each is an ordinary scenario mapping, so that a find is an ordinary scenario file. Everything follows from the seed.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ackgap.scenario.faults import FAULTS

MOST_ENTRIES = 4
ENTRIES = ("alpha/long", "alpha/short", "beta/long", "beta/short")
IDS = ("ackgap-{n}-w", "ackgap-{n}/w%2F", "ackgap-{n} 世界", "ackgap-{n}#?&")
GARBAGE = (
    "not json",
    '{"world_id": 7}',
    "[]",
    '{"world_id":"{world}","requires_ack":true,"run_id":"r1","sequence":"2"}',
)
LASTS_MS = 1500  # how long a fault lasts at most behind the deliveries that it hurts
# A rebalance takes as long as the session of a member, and the broker itself belongs to all: too much for rounds that many
# share.
SPARED = ("group_rebalanced", "broker_paused", "broker_killed", "clock_stepped")

Mapping = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How much of what: chances between 0 and 1."""

    lost: float = 0.12
    late: float = 0.5  # of the lost ones: comes after all
    swapped: float = 0.3
    repeated: float = 0.15
    flat: float = 0.2
    garbage: float = 0.1
    overridden: float = 0.1
    worldservice: float = 0.35


def scenarios(*, seed: int, number: int, alone: bool, faults: Sequence[str] = tuple(FAULTS)) -> Iterator[Mapping]:
    """`number` scenarios; with `alone`, each hurts the whole target once and needs an instance to itself.

    `faults` are the names that may be used.
    """
    kind = "alone" if alone else "beside"
    usable = [f for f in faults if FAULTS[f].alone is alone and f not in SPARED and f != "relay_client_stalled"]
    for index in range(number):
        chance = random.Random(f"{seed}/{kind}/{index}")  # noqa: S311  (to be repeatable, not secret)
        yield _Writing(chance, usable, f"nemesis-{kind}-{seed}-{index}", Mix(), always=alone).mapping()


class _Writing:
    """One scenario being written."""

    def __init__(self, chance: random.Random, faults: list[str], name: str, mix: Mix, *, always: bool) -> None:
        self.chance, self.faults, self.name, self.mix, self.always = chance, faults, name, mix, always
        self.lengths: dict[str, int] = {}
        self.steps: list[Mapping] = []
        self.emitted: dict[str, int] = {}

    def mapping(self) -> Mapping:
        """The scenario as its author would have written it."""
        chance = self.chance
        worlds = {
            f"w{n}": {"id": chance.choice(IDS).replace("{n}", "{n}" + f"-{n}")} for n in range(chance.choice((1, 1, 2)))
        }
        streams: Mapping = {}
        for world in worlds:
            for run in range(chance.choice((1, 1, 2))):
                entries = chance.sample(ENTRIES, chance.randint(1, MOST_ENTRIES))
                alias = f"{world}r{run}"
                streams[alias] = {"world": world, "run": f"r{run}", "entries": entries}
                self.lengths[alias] = 2 * len(entries)
        self._write(list(streams), list(worlds))
        return {
            "id": self.name,
            "title": "Random applies under random faults",
            "group": "FLT" if self.always else "ORD",
            "exercises": ["ACK-01"],
            "worlds": worlds,
            "streams": streams,
            "steps": self.steps,
        }

    def _write(self, aliases: list[str], worlds: list[str]) -> None:
        """One run of each world at a time; the faults lie somewhere in the middle."""
        chance = self.chance
        pieces: list[list[Any]] = []
        late: list[str] = []
        for group in _rounds(aliases):
            mine, missing = self._mangled(group)
            pieces += _cut(mine, chance.randint(1, 3), chance)
            late += missing
        wanted = self.always or chance.random() < self.mix.worldservice
        fault = chance.choice(self.faults) if self.faults and wanted else ""
        begins = chance.randrange(len(pieces))
        ends = chance.randint(begins, len(pieces) - 1)
        for number, piece in enumerate(pieces):
            if number == begins and fault:
                self._begin(fault, worlds)
            self._emit_for(piece)
            self.steps.append({"deliver": piece})
            hurt = bool(fault) and begins <= number <= ends
            self._between(worlds, quiet=not (hurt and FAULTS[fault].alone))
            if number == ends and fault:
                self._end(fault)
        if late:
            self.steps.append({"deliver": late})
        self.steps += [{"wait": {"timeouts": 1.6, "ms": 300}}, {"settle": "all"}]

    def _emit_for(self, piece: list[Any]) -> None:
        """A WorldService emits in order, and a new run only when the one before is whole."""
        events: list[str] = []
        for delivery in piece:
            alias, _, sequence = str(delivery["event"] if isinstance(delivery, dict) else delivery).partition(".")
            world, _, run = alias.partition("r")
            before = f"{world}r{int(run) - 1}"
            for name, upto in ((before, self.lengths.get(before, 0)), (alias, int(sequence))):
                done = self.emitted.get(name, 0)
                events += [f"{name}.{n}" for n in range(done + 1, upto + 1)]
                self.emitted[name] = max(done, upto)
        if events:
            self.steps.append({"emit": events})

    def _mangled(self, aliases: list[str]) -> tuple[list[Any], list[str]]:
        """What the bus makes of these runs, side by side, and which events come at the end of everything."""
        chance, mix = self.chance, self.mix
        queues = {alias: [f"{alias}.{n}" for n in range(1, self.lengths[alias] + 1)] for alias in aliases}
        mixed: list[str] = []
        while queues:
            alias = chance.choice(sorted(queues))
            mixed.append(queues[alias].pop(0))
            if not queues[alias]:
                del queues[alias]
        arrived, late = [], []
        for event in mixed:
            if chance.random() < mix.lost:
                if chance.random() < mix.late:
                    late.append(event)
                continue
            arrived.append(event)
        for place in range(len(arrived) - 1):
            if chance.random() < mix.swapped:
                other = min(len(arrived) - 1, place + chance.randint(1, 4))
                arrived[place], arrived[other] = arrived[other], arrived[place]
        for event in list(arrived):
            if chance.random() < mix.repeated:
                arrived.insert(chance.randint(0, len(arrived)), event)
        return [{"event": e, "form": "flat"} if chance.random() < mix.flat else e for e in arrived or mixed[:1]], late

    def _between(self, worlds: list[str], *, quiet: bool) -> None:
        """What happens behind a delivery; `quiet`: the target can be waited for."""
        chance, mix = self.chance, self.mix
        if chance.random() < mix.garbage:
            self.steps.append({"invalid": {"world": chance.choice(worlds), "text": chance.choice(GARBAGE)}})
        if chance.random() < mix.overridden:
            stream = chance.choice(sorted(self.lengths))
            self.steps.append({"unsequenced": {"stream": stream, "phase": chance.choice(("freeze", "unfreeze"))}})
        kind = chance.random()
        if kind < 0.3:
            self.steps.append({"wait": {"ms": chance.randint(5, 400)}})
        elif kind < 0.45:
            self.steps.append({"wait": {"timeouts": chance.choice((0.4, 0.9, 1.2, 1.6))}})
        elif kind < 0.6 and quiet:
            self.steps.append({"settle": "all"})

    def _begin(self, fault: str, worlds: list[str]) -> None:
        given: Mapping = {"begin": fault}
        if FAULTS[fault].scope == "world":
            given["worlds"] = self.chance.sample(worlds, self.chance.randint(1, len(worlds)))
        if fault in {"broker_slow", "acks_late", "worldservice_slow"}:
            given["ms"] = self.chance.choice((40, 150, 400))
        if fault == "broker_hung":
            given["for_ms"] = LASTS_MS
        self.steps.append({"fault": given})

    def _end(self, fault: str) -> None:
        """A fault lasts a while; one that nothing has met by then simply ends, and is counted as not felt."""
        self.steps.append({"wait": {"ms": self.chance.randint(50, LASTS_MS)}})
        self.steps.append({"fault": {"end": fault}})


def _rounds(aliases: list[str]) -> list[list[str]]:
    """The first runs of all worlds, then the second ones: runs of a world do not overlap."""
    runs = sorted({alias.partition("r")[2] for alias in aliases})
    return [[alias for alias in aliases if alias.partition("r")[2] == run] for run in runs]


def _cut(items: list[Any], pieces: int, chance: random.Random) -> list[list[Any]]:
    """The items in order, in this many pieces or fewer, none of them empty."""
    places = sorted(chance.sample(range(1, len(items)), min(pieces, len(items)) - 1)) if len(items) > 1 else []
    edges = [0, *places, len(items)]
    return [items[a:b] for a, b in itertools.pairwise(edges)]

"""What stands between a core and its world in virtual time: the log that it reads, its ACKs on their way, and the faults
that get between them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ackgap.history import WITHOUT_DISK, FaultChanged, RelayChanged, TargetChanged
from ackgap.scenario.faults import FAULTS
from ackgap.scenario.model import ChangeFault

if TYPE_CHECKING:
    from ackgap.harness.virtual import PlayedCore

NS_PER_MS = 1_000_000
SLOW_MS = 150
LATE_MS = 400
DOWN = ("gateway_killed", "gateway_terminated", "gateway_wiped")
CUT_OFF = ("broker_down", "broker_hung", "broker_paused", "broker_killed")
DEAF = (*CUT_OFF, "group_rebalanced")  # nothing is read meanwhile
WALL_BEGAN = 1_767_225_600 * 1000 * NS_PER_MS  # the wall clock at the start of every run: 2026-01-01


class VirtualFaults:
    """The log, the life and the faults of the core that a scenario is played against."""

    def __init__(self, played: "PlayedCore") -> None:
        self.played = played
        self.log: list[tuple[int, bytes | None, bytes]] = []
        self.position = 0  # offset that is read next
        self.committed = 0
        self.life = 0  # counts the starts of the core: what was meant for an earlier one is dropped
        self.active: dict[str, ChangeFault] = {}
        self.counts: dict[str, int] = {}
        self.held: list[Callable[[], None]] = []  # what waits until the core goes on
        self.unpublished: list[Callable[[], None]] = []  # ACKs that wait until the broker takes them

    # --- what the core may do and is told ----------------------------------------------------------------------

    @property
    def answers(self) -> bool:
        """Whether the core can be asked anything."""
        return not self._any(*DOWN, "gateway_stopped")

    def wall_clock(self) -> int:
        """The time of day, ns since 1970, as the host of the core shows it."""
        step = self.active.get("clock_stepped")
        self._feel("clock_stepped")
        return WALL_BEGAN + self.played.now + ((step.ms or 0) * NS_PER_MS if step is not None else 0)

    def next_timer(self) -> int | None:
        """The core's next timer, if it lives and runs."""
        return self.played.core.next_timer() if self.answers else None

    def tell(self, call: Callable[[], Sequence[Any]], life: int) -> None:
        """Tell the core something, unless it is another one by now; one that stands still hears it later."""
        if life != self.life or self._any(*DOWN):
            return
        if self._any("gateway_stopped"):
            self.held.append(lambda: self.tell(call, life))
        else:
            self.played.perform(call())

    def append(self, offset: int, key: bytes | None, value: bytes) -> None:
        """A record of the activation topic, read when nothing stands in the way."""
        self.log.append((offset, key, value))
        late, slow = self.played.late, self._pause("broker_slow", SLOW_MS)
        self.played.later(late.append + late.read + slow, lambda: self._read(offset))

    def commit(self, offset: int) -> None:
        """The core need not read again what lies below."""
        if not self._any(*CUT_OFF):
            self.committed = max(self.committed, offset)

    def publish(self, effect: Any) -> None:
        """An ACK on its way."""
        played, late, life = self.played, self.played.late, self.life
        confirm = lambda: self.tell(lambda: played.core.ack_confirmed(effect.token, played.now), life)  # noqa: E731
        failed = lambda: self.tell(lambda: played.core.ack_failed(effect.token, played.now), life)  # noqa: E731

        def appended(delay_ms: float = 0.0) -> None:
            played.ack_appended(effect, delay_ms=delay_ms)
            played.later(delay_ms + late.ack_confirm, confirm)

        if self._feel("acks_rejected"):
            played.later(late.ack_confirm, failed)
        elif self._feel("acks_unconfirmed", "acks_cut"):
            played.ack_appended(effect)
            played.later(late.ack_timeout, failed)
        elif self._feel("acks_lost", "broker_down", "broker_killed"):
            played.later(late.ack_timeout, failed)
        elif self._feel("acks_held", "broker_hung", "broker_paused"):
            self.unpublished.append(appended)
        elif self._feel("acks_late"):
            appended(self._pause("acks_late", LATE_MS))
        elif self._feel("broker_slow"):
            appended(self._pause("broker_slow", SLOW_MS))
        else:
            appended()

    # --- faults ------------------------------------------------------------------------------------------------

    def felt(self, fault: str) -> int:
        """How often a fault that has begun was felt so far."""
        if fault not in self.active:
            return 0
        if FAULTS[fault].scope == "world":
            return sum(self.played.service.felt(world) for world in self.active[fault].worlds)
        return self.counts.get(fault, 0)

    def change(self, step: ChangeFault) -> None:
        """Begin or end a fault."""
        if not step.active:
            self._end(step.fault)
        elif step.fault not in self.active:
            self._begin(step)

    def end_all(self) -> None:
        """End what the scenario has left."""
        for fault in list(self.active):
            self._end(fault)

    def _begin(self, step: ChangeFault) -> None:
        played, fault = self.played, step.fault
        if fault == "gateway_terminated":
            self._hint("closing", played.now)
        if fault == "group_rebalanced":
            self._hint("revoked", [0], played.now)
        self.active[fault] = step
        scope = FAULTS[fault].scope
        self.counts[fault] = {"gateway": 1, "group": 1, "relay": -1}.get(scope, 0)
        self._tell_of(step, active=True, detail="partitions 0" if scope == "group" else "")
        if scope == "world":
            for world in step.worlds:
                played.service.hurt(world, fault, step.ms)
        if fault in DOWN:
            played.see(RelayChanged(t=played.now, instance=played.instance, client="main", state="disconnected"))
            self.life += 1
            self.held.clear()
        if step.for_ms is not None:
            played.later(step.for_ms, lambda: self._end(fault))

    def _end(self, fault: str) -> None:
        if fault not in self.active:
            return
        played, felt = self.played, self.felt(fault)
        step = self.active.pop(fault)
        self._tell_of(step, active=False, felt=felt)
        if FAULTS[fault].scope == "world":
            for world in step.worlds:
                played.service.heal(world)
        if fault in DOWN:
            played.see(
                TargetChanged(
                    t=played.now,
                    instance=played.instance,
                    state="restarted",
                    detail=WITHOUT_DISK if fault == "gateway_wiped" else "",
                )
            )
            played.see(RelayChanged(t=played.now, instance=played.instance, client="main", state="connected"))
            played.renew_core()
        if fault in DOWN or fault == "group_rebalanced":
            self.position = self.committed
        held, self.held = self.held, []
        for call in held:
            call()
        if not self._any("acks_held", "broker_hung", "broker_paused"):
            unpublished, self.unpublished = self.unpublished, []
            for call in unpublished:
                call()
        if self.log:
            played.later(played.late.read, lambda: self._read(self.log[-1][0]))

    def _hint(self, name: str, *given: Any) -> None:
        """A core may want to know that it is asked to stop, or that partitions are taken from it; most do not."""
        call = getattr(self.played.core, name, None)
        if call is not None:
            self.played.perform(call(*given))

    def _tell_of(self, step: ChangeFault, *, active: bool, felt: int = -1, detail: str = "") -> None:
        played = self.played
        played.see(
            FaultChanged(
                t=played.now, instance=played.instance, fault=step.fault, active=active, worlds=step.worlds, felt=felt,
                detail=detail,
            )
        )  # fmt: skip

    # --- inside ------------------------------------------------------------------------------------------------

    def _read(self, upto: int) -> None:
        while self.position <= upto and not self._any(*DOWN, *DEAF, "gateway_stopped"):
            offset, key, value = self.log[self.position]
            self.position += 1
            self.played.perform(
                self.played.core.record(partition=0, offset=offset, key=key, value=value, now=self.played.now)
            )
        if self.position <= upto:
            self._feel(*CUT_OFF)
        else:
            self._feel("broker_slow")

    def _any(self, *faults: str) -> bool:
        return bool(self.active) and any(fault in self.active for fault in faults)

    def _feel(self, *faults: str) -> bool:
        for fault in faults:
            if fault in self.active:
                self.counts[fault] += 1
                return True
        return False

    def _pause(self, fault: str, usual_ms: int) -> float:
        step = self.active.get(fault)
        return 0.0 if step is None else float(step.ms if step.ms is not None else usual_ms)

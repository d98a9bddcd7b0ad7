"""What a scenario waits for, in words and as a thing that the virtual harness waits for itself."""

from dataclasses import dataclass

from ackgap.scenario.model import AwaitAck, AwaitFelt, AwaitOpen, Wait


@dataclass(frozen=True, slots=True)
class Settling:
    """The time after a barrier in which late effects may still show."""

    worlds: tuple[str, ...]


def awaited_words(action: Wait) -> str:
    """What was waited for, as the history tells it."""
    match action:
        case AwaitAck():
            return f"ACK of event {action.sequence} of run {action.run_id!r}"
        case AwaitFelt():
            return f"the fault {action.fault} to be felt"
        case AwaitOpen():
            return f"an open gate of run {action.run_id!r}"
    return f"{action.count} {action.endpoint} {'answers' if action.answered else 'requests'}"

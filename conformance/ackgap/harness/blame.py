"""Whose fault an error is, and the exit code that goes with it: the one place that maps them."""

from enum import IntEnum

from ackgap.bus import BusError
from ackgap.containers.engine import EngineError
from ackgap.contract import ContractError
from ackgap.scenario.cast import CastError
from ackgap.target.spec import TargetError, TemplateError


class Exit(IntEnum):
    """Exit codes, the same for every command."""

    HOLDS = 0
    DOES_NOT_HOLD = 1
    USAGE = 2
    TARGET = 3
    ENVIRONMENT = 4
    KIT = 5
    INCONCLUSIVE = 6
    INTERRUPTED = 130


class RunLostRecordsError(Exception):
    """The broker may have dropped records: no verdict can be given."""


class UnavailableError(Exception):
    """Something that is neither target nor kit cannot be used. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def exit_code(error: BaseException) -> Exit:
    """The exit code of an error that ended a command."""
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, TargetError):
        return Exit.TARGET
    if isinstance(error, BusError | EngineError | RunLostRecordsError | UnavailableError):
        return Exit.ENVIRONMENT
    if isinstance(error, ContractError | TemplateError | CastError):
        return Exit.USAGE
    return Exit.KIT


def words(error: BaseException) -> str:
    """What to tell the user: the message, what to do, and the target's last lines where there are any."""
    parts = [str(error) or type(error).__name__]
    hint, log = getattr(error, "hint", ""), getattr(error, "log", "")
    if hint:
        parts.append(f"  what to do: {hint}")
    if log:
        parts.append("  its last log lines:\n" + "\n".join(f"    {line}" for line in log.splitlines()))
    return "\n".join(parts)

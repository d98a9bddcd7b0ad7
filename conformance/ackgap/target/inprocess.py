"""A target that is a Python callable: imported, and built anew for every scenario."""

import functools
import importlib
import inspect
import sys
import traceback
from pathlib import Path

from ackgap.contract import Constants
from ackgap.target.core import CoreFactory
from ackgap.target.spec import TargetError, TargetSpec

QUOTED_LINES = 15


def core_factory(spec: TargetSpec, constants: Constants | None = None) -> CoreFactory:
    """The callable that a `python` target names, found from the descriptor's folder too. Raises TargetError.

    One that takes `constants` is given those of the contract that it is to follow.
    """
    module, _, name = spec.python.partition(":")
    folder = str(Path(spec.workdir))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise TargetError(
            f"target {spec.name} could not be imported: {spec.python}: {type(error).__name__}: {error}",
            hint="write module:callable; the module is looked for beside the descriptor and among what is installed",
            log=said_by(error),
        ) from error
    if not callable(found):
        raise TargetError(
            f"target {spec.name}: {spec.python} is not callable",
            hint="name a callable that takes gap_timeout_ms, resync_enforced and seed, and returns a core",
        )
    if constants is not None and "constants" in inspect.signature(found).parameters:
        found = functools.partial(found, constants=constants)
    factory: CoreFactory = found
    return factory


def sees_wall_clock(spec: TargetSpec) -> bool:
    """Whether a target is a core that looks at a wall clock, which the kit puts there; see `ackgap.target.core`.

    Raises TargetError.
    """
    if not spec.python:
        return False
    try:
        return hasattr(core_factory(spec)(gap_timeout_ms=1000, resync_enforced=True, seed=1), "wall_clock")
    except TargetError:
        raise
    except Exception as error:
        raise TargetError(
            f"target {spec.name} could not be built: {type(error).__name__}: {error}", log=said_by(error)
        ) from error


def said_by(error: BaseException) -> str:
    """The end of a traceback."""
    lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
    return "\n".join(lines[-QUOTED_LINES:])

"""How a command ends on an error: in words, with the exit code that says whose fault it is."""

import sys
import traceback
from typing import NoReturn

from ackgap.harness.blame import Exit, exit_code, words
from ackgap.report.terminal import harmless


def fail(error: BaseException) -> NoReturn:
    """Print what happened and what to do, and leave. A fault in the kit is shown with its traceback."""
    code = exit_code(error)
    if code is Exit.KIT:
        traceback.print_exception(error)
    said = "interrupted; everything was torn down" if code is Exit.INTERRUPTED else harmless(words(error))
    print(f"ackgap: {said}", file=sys.stderr)
    sys.exit(int(code))

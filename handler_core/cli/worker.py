"""The child process of a command: one job on one model.

``python -m handler_core.cli.worker JOB MODEL ARGUMENTS``, where the arguments of the job are a JSON
object, writes lines of JSON on its standard output: ``{"done": N}`` now and then, and at the end
``{"measured": {...}}`` or ``{"failed": "the reason"}``. What it did not expect ends it with a
traceback on standard error.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from handler_core.cli.failure import JobError
from handler_core.cli.jobs import JOBS
from handler_core.discovery import get_handler
from handler_core.exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerTimeoutError,
    HandlerValidationError,
)

_STDOUT, _STDERR = 1, 2


def _main(job: str, model: str, arguments: str) -> None:
    # The parent reads nothing but our lines: what a plugin prints goes to standard error.
    output = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)

    def tell(**message: Any) -> None:
        os.write(output, json.dumps(message).encode() + b"\n")

    def report(done: int) -> None:
        tell(done=done)

    try:
        handler = get_handler(model)
        measured = JOBS[job](handler, report, **json.loads(arguments))
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError, JobError) as error:
        tell(failed=str(error))
    except (OSError, HandlerTimeoutError) as error:
        tell(failed=f"{type(error).__name__}: {error}")
    else:
        tell(measured=measured._asdict())


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""The child process of a command: one job on one plugin.

``python -m handler_core.cli.worker JOB PLUGIN ARGUMENTS``, where the arguments of the job are a
JSON object, writes lines of JSON on its standard output: ``{"done": N}`` now and then, and at the
end ``{"measured": {...}}`` or ``{"failed": "the reason", "see_output": false}``, where the last
tells whether what it has written on standard error belongs to the reason. What it did not expect
ends it with a traceback there.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from handler_core.cli.failure import JobError
from handler_core.cli.jobs import JOBS
from handler_core.execution._timeout import HandlerTimeoutError
from handler_core.lookup._exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)

_STDOUT, _STDERR = 1, 2


def _main(job: str, plugin: str, arguments: str) -> None:
    # The parent reads nothing but our lines: what a plugin prints goes to standard error.
    output = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)

    def tell(**message: Any) -> None:
        os.write(output, json.dumps(message).encode() + b"\n")

    def report(done: int) -> None:
        tell(done=done)

    try:
        make, run = JOBS[job]
        measured = run(make(plugin), report, **json.loads(arguments))
    except JobError as error:
        tell(failed=str(error), see_output=error.see_output)
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        tell(failed=str(error), see_output=False)
    except (OSError, HandlerTimeoutError) as error:
        tell(failed=f"{type(error).__name__}: {error}", see_output=False)
    else:
        tell(measured=measured._asdict())


if __name__ == "__main__":
    _main(*sys.argv[1:])

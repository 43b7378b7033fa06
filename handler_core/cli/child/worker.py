"""The child process: it runs one job on one plugin.

``python -m handler_core.cli.child.worker JOB PLUGIN ARGUMENTS``. JOB is the path of the job's
function, as ``module:function``. ARGUMENTS are those of the job, as a JSON object.

The process writes lines of JSON on its standard output:

- ``{"done": N}`` now and then.
- ``{"measured": {...}}`` at the end, with the fields of the result.
- ``{"failed": "the reason", "see_output": false, "needs": false}`` instead, if the job failed in a
  known way. ``see_output`` tells whether the standard error of the process belongs to the reason.
  ``needs`` tells whether something is not installed that the job needs.

An exception of any other kind ends the process with a traceback on its standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pkgutil import resolve_name
from typing import Any

from handler_core import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerTimeoutError,
    HandlerValidationError,
)
from handler_core.cli.child.job import JobError

_STDOUT, _STDERR = 1, 2


def _main(job: str, plugin: str, arguments: str) -> None:
    # The parent reads only the messages: what a plugin prints goes to standard error.
    output = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)

    def tell(**message: Any) -> None:
        os.write(output, json.dumps(message).encode() + b"\n")

    def report(done: int) -> None:
        tell(done=done)

    run = resolve_name(job)
    try:
        measured = run(plugin, report, **json.loads(arguments))
    except JobError as error:
        tell(failed=str(error), see_output=error.see_output, needs=error.needs)
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        tell(failed=str(error), see_output=False, needs=False)
    except (OSError, HandlerTimeoutError) as error:
        tell(failed=f"{type(error).__name__}: {error}", see_output=False, needs=False)
    else:
        tell(measured=measured._asdict())


if __name__ == "__main__":
    _main(*sys.argv[1:])

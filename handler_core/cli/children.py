"""Running a job in a child process, so that models do not meet: gevent patches what others use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from handler_core.network._select import poll_select

__all__ = ["ChildError", "run_in_child"]

_WORKER = "handler_core.cli.worker"
# How much of what a child wrote on standard error is shown, in lines, if it ends without a word.
_SHOWN_LINES = 15


class ChildError(Exception):
    """A job failed. The message is the reason, for people."""


def run_in_child(
    job: str,
    model: str,
    arguments: Mapping[str, object],
    *,
    total: int,
    unit: str,
    timeout: float,
    report: Callable[[int], object],
) -> dict[str, Any]:
    """Run a job on a model in a process of its own, and return what it has measured.

    Args:
        job: a name from :data:`handler_core.cli.jobs.JOBS`.
        model: the name of an installed handler.
        arguments: those of the job.
        total: how much there is to do, in ``unit``, a word in the plural.
        unit: what the job reports the number of.
        timeout: seconds for all of it, from the start of the process to its end.
        report: called now and then with the number of those that are done.

    Raises:
        ChildError: the job failed or took too long.

    However this function is left, the process has ended by then.
    """
    deadline = time.monotonic() + timeout
    done = 0
    with tempfile.TemporaryFile() as stderr:
        # -P: what lies in the current folder is not to be taken for a model's library.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", _WORKER, job, model, json.dumps(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
        )
        measured: dict[str, Any] | None = None
        try:
            for message in _messages(process, deadline):
                if "failed" in message:
                    shown = _end_of(stderr) if message["see_output"] else ""
                    raise ChildError(f"{message['failed']}{shown}")
                if "measured" in message:
                    measured = message["measured"]
                    break  # whoever else has the pipe, a child of the child say, may keep it
                done = message["done"]
                report(done)
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            reached = f"{done:,} of {total:,} {unit} done"
            if measured is not None:
                reached += ", and the process did not end"
            raise ChildError(
                f"took longer than {timeout:g} seconds, with {reached}{_end_of(stderr)}"
            ) from None
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if status != 0 or measured is None:
            raise ChildError(f"{_describe(status)}{_end_of(stderr)}")
    return measured


def _messages(process: subprocess.Popen[bytes], deadline: float) -> Iterator[dict[str, Any]]:
    """Read the lines of a child until it closes its output."""
    assert process.stdout is not None
    unread = b""
    while True:
        remaining = max(0.0, deadline - time.monotonic())
        readable, _, _ = poll_select([process.stdout], [], [], remaining)
        if not readable:
            raise subprocess.TimeoutExpired(process.args, remaining)
        data = os.read(process.stdout.fileno(), 65_536)
        if not data:
            return
        *lines, unread = (unread + data).split(b"\n")
        try:
            messages = list(map(json.loads, lines))
        except ValueError:
            raise ChildError(f"something else than the job wrote {lines!r} to its pipe") from None
        yield from messages


def _describe(status: int) -> str:
    if status < 0:
        return f"the process was killed by {signal.Signals(-status).name}"
    return f"the process ended with status {status} and no result"


def _end_of(stderr: IO[bytes]) -> str:
    """Return the last lines that the child wrote on standard error, as an indented block."""
    stderr.seek(0)
    lines = stderr.read().decode(errors="replace").splitlines()[-_SHOWN_LINES:]
    return "".join(f"\n    {line}" for line in lines)

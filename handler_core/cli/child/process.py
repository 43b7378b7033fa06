"""Running one job in a child process."""

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

from handler_core import poll_select
from handler_core.cli.child.job import Job

__all__ = ["ChildError", "MissingError", "run_in_child"]

_WORKER = "handler_core.cli.child.worker"
# How many lines of the child's standard error are shown if the child ends without a result.
_SHOWN_LINES = 15


class ChildError(Exception):
    """A job failed. The message is the reason, for users."""


class MissingError(ChildError):
    """Something is not installed that the job needs. The plugin is not to blame."""


def run_in_child(
    job: Job,
    plugin: str,
    arguments: Mapping[str, object],
    *,
    total: int,
    unit: str,
    timeout: float,
    report: Callable[[int], object],
) -> dict[str, Any]:
    """Run a job on a plugin in a child process, and return the fields of its result.

    When this function returns or raises, the process has ended.

    Args:
        job: the job.
        plugin: the name of an installed model or wrapper.
        arguments: the arguments of the job. They are passed on as JSON.
        total: how many ``unit`` the job has to do.
        unit: what the job counts, as a word in the plural.
        timeout: the seconds that the process may take from its start to its end.
        report: called now and then with the number of ``unit`` that are done.

    Raises:
        ChildError: the job failed or took too long.
        MissingError: something is not installed that the job needs.
    """
    deadline = time.monotonic() + timeout
    done = 0
    with tempfile.TemporaryFile() as stderr:
        # With -P, Python does not import modules of the current folder in place of libraries.
        process = subprocess.Popen(  # noqa: S603  a list, so no shell reads the arguments
            [sys.executable, "-P", "-m", _WORKER, job.path, plugin, json.dumps(arguments)],
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
                    error_class = MissingError if message["needs"] else ChildError
                    raise error_class(f"{message['failed']}{shown}")
                if "measured" in message:
                    measured = message["measured"]
                    # Do not read to the end of the pipe: a child of the child may hold it open.
                    break
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
    """Yield the messages of a child until it closes its output."""
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
            raise ChildError(f"the process wrote {lines!r}, which the job did not write") from None
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

"""Running jobs on the installed models, one after the other, and telling the user how it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from handler_core.cli.children import ChildError, run_in_child
from handler_core.cli.display import progress_on, write
from handler_core.lookup._exceptions import HandlerNotFoundError
from handler_core.lookup._get_handler import get_handler, list_handlers

__all__ = ["Runs", "models_named"]


def models_named(names: Sequence[str]) -> list[str]:
    """Return the models to run: those named, or all that are installed.

    Raises:
        click.ClickException: one is not installed, or none is.
    """
    installed = list(dict.fromkeys(info.name for info in list_handlers()))
    if not installed:
        raise click.ClickException(
            "no concurrency model is installed; "
            'to install one: pip install "handler-core[threading]"'
        )
    for name in names:
        if name not in installed:
            try:
                get_handler(name)
            except HandlerNotFoundError as error:
                raise click.ClickException(str(error)) from None
    return list(dict.fromkeys(names)) or installed


class Runs:
    """The runs of one command. :attr:`progress` is to be entered around them.

    Args:
        total: how much each run has to do, in ``unit``, a word in the plural.
        unit: what a job reports the number of.
        timeout: how long each run may take, in seconds.
    """

    def __init__(self, total: int, unit: str, timeout: float) -> None:
        #: The bars, on standard error.
        self.progress = progress_on(Console(stderr=True))
        #: True once something has failed.
        self.failed = False
        self._total = total
        self._unit = unit
        self._timeout = timeout

    def run(self, job: str, model: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Run a job on a model, and return what it has found.

        Raises:
            ChildError: it failed.
        """
        task = self.progress.add_task("", total=self._total, model=model, job=job)

        def report(done: int) -> None:
            self.progress.update(task, completed=done)

        try:
            return run_in_child(
                job,
                model,
                arguments,
                total=self._total,
                unit=self._unit,
                timeout=self._timeout,
                report=report,
            )
        finally:
            self.progress.stop_task(task)

    def measure(
        self, job: str, model: str, arguments: Mapping[str, object]
    ) -> dict[str, Any] | None:
        """Run a job on a model; return what it has measured, or None, having said why it failed."""
        try:
            return self.run(job, model, arguments)
        except ChildError as error:
            self.fail(f"{model}, {job}: {error}")
            return None

    @contextlib.contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Show a bar without an end for as long as the block runs."""
        task = self.progress.add_task("", total=None, model="", job=what)
        yield
        self.progress.remove_task(task)

    def say(self, text: str) -> None:
        """Write a line on standard error, above the bars."""
        write(self.progress.console, text)

    def fail(self, reason: str) -> None:
        """Remember that something failed, and say what."""
        self.failed = True
        write(self.progress.console, f"failed: {reason}", style="red")

"""Running jobs on the installed models, one after the other, and showing the user how they go."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console

from handler_core import HandlerNotFoundError, get_handler, list_handlers
from handler_core.cli.child.job import Job
from handler_core.cli.child.process import ChildError, run_in_child
from handler_core.cli.display import progress_on, write
from handler_core.lookup._install_lines import install_line
from handler_core.lookup._suggestions import DEFAULT_MODEL

__all__ = ["Runs", "complete_model", "models_named"]


def complete_model(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of installed models that begin so, for the shell."""
    chosen = ctx.params.get(parameter.name or "") or ()
    names = dict.fromkeys(info.name for info in list_handlers())
    return [
        CompletionItem(name) for name in names if name.startswith(incomplete) and name not in chosen
    ]


def models_named(names: Sequence[str]) -> list[str]:
    """Return the models of these names, or all installed models if there are no names.

    Raises:
        click.ClickException: a model of these names is not installed, or no model is installed.
    """
    installed = list(dict.fromkeys(info.name for info in list_handlers()))
    if not installed:
        raise click.ClickException(
            f"no concurrency model is installed; to install one: {install_line(DEFAULT_MODEL)}"
        )
    for name in names:
        if name not in installed:
            try:
                get_handler(name)
            except HandlerNotFoundError as error:
                raise click.ClickException(str(error)) from None
    return list(dict.fromkeys(names)) or installed


class Runs:
    """The runs of one command. Enter :attr:`progress` around them.

    Args:
        total: how many ``unit`` each run has to do.
        unit: what the job counts, as a word in the plural.
        timeout: the seconds that each run may take.
    """

    def __init__(self, total: int, unit: str, timeout: float) -> None:
        #: The progress bars, on standard error.
        self.progress = progress_on(Console(stderr=True))
        #: True once something has failed.
        self.failed = False
        self._total = total
        self._unit = unit
        self._timeout = timeout

    def run(self, job: Job, model: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Run a job on a model, and return the fields of its result.

        Raises:
            ChildError: the job failed.
        """
        task = self.progress.add_task("", total=self._total, model=model, job=job.name)

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
        self, job: Job, model: str, arguments: Mapping[str, object]
    ) -> dict[str, Any] | None:
        """Run a job on a model, and return the fields of its result.

        If the job fails, the user is told why, and None is returned.
        """
        try:
            return self.run(job, model, arguments)
        except ChildError as error:
            self.fail(f"{model}, {job.name}: {error}")
            return None

    @contextlib.contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Show an endless progress bar while the block runs."""
        task = self.progress.add_task("", total=None, model="", job=what)
        yield
        self.progress.remove_task(task)

    def say(self, text: str) -> None:
        """Write a line on standard error, above the bars."""
        write(self.progress.console, text)

    def fail(self, reason: str) -> None:
        """Set :attr:`failed`, and write the reason on standard error."""
        self.failed = True
        write(self.progress.console, f"failed: {reason}", style="red")

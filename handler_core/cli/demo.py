"""``handler-core demo``: a real network client on every installed model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import click
from rich.console import Console
from rich.progress import Progress

from handler_core.cli.children import ChildError, run_in_child
from handler_core.cli.display import output, progress_on, table_of, write
from handler_core.cli.jobs import KAZOO_CLIENT, PIPELINED_CLIENT
from handler_core.cli.load import Measurement
from handler_core.discovery import get_handler, list_handlers
from handler_core.exceptions import HandlerNotFoundError
from handler_core.pipeline import EchoServer
from handler_core.testing.zookeeper import ZooKeeperServer

__all__ = ["demo"]

_KAZOO_MISSING = 'kazoo is not installed: pip install "handler-core[cli]"'


def _seconds(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    if not value > 0 or math.isinf(value):
        raise click.BadParameter(f"{value} is no positive number of seconds.")
    return value


def _hosts(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if find_spec("kazoo") is None:
        raise click.ClickException(_KAZOO_MISSING)
    from kazoo.hosts import collect_hosts

    try:
        collect_hosts(value.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}.") from None
    return value


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="How many requests each model sends.",
)
@click.option(
    "--zookeeper",
    metavar="HOSTS",
    callback=_hosts,
    help="Run kazoo's client against this ensemble, HOST:PORT[,HOST:PORT...], instead.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=float,
    default=60.0,
    show_default=True,
    callback=_seconds,
    help="How long each run of a model may take.",
)
def demo(names: Sequence[str], requests: int, zookeeper: str | None, timeout: float) -> None:
    """Run a real network client on every installed model, or on those NAMEd.

    A small pipelined client talks to a server inside this process, and kazoo's KazooClient to a
    ZooKeeper server that is started for it, if the server is installed, or to the ensemble of
    --zookeeper. Each model runs in a process of its own; what each one did is checked.
    """
    models = _models(names)
    runs = _Runs(models, requests, timeout, progress_on(Console(stderr=True)))
    with runs.progress:
        if zookeeper is not None:
            runs.add(KAZOO_CLIENT, zookeeper)
        else:
            with EchoServer() as server:
                host, port = server.address
                runs.add(PIPELINED_CLIENT, f"{host}:{port}")
            _add_own_zookeeper(runs)
    output().print(table_of(runs.results, requests))
    if runs.failed:
        raise click.exceptions.Exit(1)


def _models(names: Sequence[str]) -> list[str]:
    """Return the models to run: those named, or all that are installed."""
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


def _add_own_zookeeper(runs: _Runs) -> None:
    """Run kazoo's client too, against a server of our own, where there can be one."""
    missing = ZooKeeperServer.why_missing()
    if find_spec("kazoo") is None:
        missing = _KAZOO_MISSING
    if missing is not None:
        runs.say(f"{KAZOO_CLIENT} is left out: {missing}")
        return
    with contextlib.ExitStack() as stack:
        try:
            with runs.waiting_for("ZooKeeper starts"):
                server = stack.enter_context(ZooKeeperServer())
        except RuntimeError as error:
            runs.fail(f"{KAZOO_CLIENT} is left out: {error}")
            return
        runs.add(KAZOO_CLIENT, server.hosts)


class _Runs:
    """The runs of the jobs on the models, one after the other, and what came of them."""

    def __init__(
        self, models: Sequence[str], requests: int, timeout: float, progress: Progress
    ) -> None:
        self.progress = progress
        self.results: list[tuple[str, str, Measurement | None]] = []
        self.failed = False
        self._models = models
        self._requests = requests
        self._timeout = timeout

    def add(self, job: str, target: str) -> None:
        """Run a job on each model."""
        for model in self._models:
            self.results.append((model, job, self._measure(job, model, target)))

    def _measure(self, job: str, model: str, target: str) -> Measurement | None:
        task = self.progress.add_task("", total=self._requests, model=model, job=job)

        def report(done: int) -> None:
            self.progress.update(task, completed=done)

        try:
            return run_in_child(job, model, target, self._requests, self._timeout, report)
        except ChildError as error:
            self.fail(f"{model}, {job}: {error}")
            return None
        finally:
            self.progress.stop_task(task)

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

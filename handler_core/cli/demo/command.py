"""``handler-core demo``: run real network clients on every installed model."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from importlib.util import find_spec

import click

from handler_core.cli.child.job import Job
from handler_core.cli.child.runs import Runs, complete_model, models_named
from handler_core.cli.demo.jobs import KAZOO_CLIENT, PIPELINED_CLIENT
from handler_core.cli.demo.load import Measurement
from handler_core.cli.demo.sample_client import EchoServer
from handler_core.cli.demo.table import DROPPABLE, demo_table
from handler_core.cli.display import json_option, output, show_table, write_json
from handler_core.lookup._install_lines import install_line
from handler_core.testing import ZooKeeperServer

__all__ = ["demo"]


def _kazoo_missing() -> str:
    return f"kazoo is not installed: {install_line('cli')}"


def _seconds(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    if not value > 0 or math.isinf(value):
        raise click.BadParameter(f"{value} is not a positive number of seconds.")
    return value


def _hosts(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    if find_spec("kazoo") is None:
        raise click.ClickException(_kazoo_missing())
    from kazoo.hosts import collect_hosts

    try:
        collect_hosts(value.strip())
    except ValueError as error:
        raise click.BadParameter(f"{value!r}: {error}.") from None
    return value


@click.command(
    epilog="Examples: handler-core demo, handler-core demo gevent asyncio --requests 100000"
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_model)
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
    help="Run only kazoo's client, against this ensemble: HOST:PORT[,HOST:PORT...].",
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
@json_option
def demo(
    names: Sequence[str], requests: int, zookeeper: str | None, timeout: float, as_json: bool
) -> None:
    """Run real clients on all installed models, or on those NAMEd.

    A small pipelined client talks to a server inside this process. kazoo's KazooClient talks to a
    ZooKeeper server that the demo starts if it is installed, or to the ensemble of --zookeeper.
    Each model runs in a process of its own, and the demo checks what each model did. Ctrl-C ends
    the demo, and shows what has been measured by then.
    """
    runs = _DemoRuns(models_named(names), requests, timeout)
    try:
        _run(runs, zookeeper)
    except KeyboardInterrupt:
        if runs.results:
            _show(runs, requests, as_json)
        raise
    _show(runs, requests, as_json)
    if runs.failed:
        raise click.exceptions.Exit(1)


def _run(runs: _DemoRuns, zookeeper: str | None) -> None:
    with runs.progress:
        if zookeeper is not None:
            runs.add(KAZOO_CLIENT, zookeeper)
        else:
            with EchoServer() as server:
                host, port = server.address
                runs.add(PIPELINED_CLIENT, f"{host}:{port}")
            _add_own_zookeeper(runs)


def _show(runs: _DemoRuns, requests: int, as_json: bool) -> None:
    if as_json:
        write_json(
            {
                "requests": requests,
                "runs": [
                    {"model": model, "job": job, "worked": measured is not None}
                    | ({} if measured is None else measured._asdict())
                    for model, job, measured in runs.results
                ],
            }
        )
    else:
        show_table(output(), demo_table(runs.results, requests), DROPPABLE)


def _add_own_zookeeper(runs: _DemoRuns) -> None:
    """Run kazoo's client against a server that this function starts, if both are installed."""
    client = KAZOO_CLIENT.name
    missing = ZooKeeperServer.why_missing()
    if find_spec("kazoo") is None:
        missing = _kazoo_missing()
    if missing is not None:
        runs.say(f"{client} is left out: {missing}")
        return
    with contextlib.ExitStack() as stack:
        try:
            with runs.waiting_for("ZooKeeper starts"):
                server = stack.enter_context(ZooKeeperServer())
        except RuntimeError as error:
            runs.fail(f"{client} is left out: {error}")
            return
        runs.add(KAZOO_CLIENT, server.hosts)


class _DemoRuns(Runs):
    """The runs of each job on each model, and their results."""

    def __init__(self, models: Sequence[str], requests: int, timeout: float) -> None:
        super().__init__(requests, "requests", timeout)
        self.results: list[tuple[str, str, Measurement | None]] = []
        self._models = models
        self._requests = requests

    def add(self, job: Job, target: str) -> None:
        """Run a job on each model."""
        arguments = {"target": target, "requests": self._requests}
        for model in self._models:
            measured = self.measure(job, model, arguments)
            measurement = None if measured is None else Measurement(**measured)
            self.results.append((model, job.name, measurement))

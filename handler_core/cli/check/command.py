"""``handler-core check NAME``: check whether a plugin is fit to be published.

The command checks all that takes only seconds: the entry point, the class and its hooks, the
metadata of the distribution, and the quick part of the conformance suite. The plugin's own tests
run the rest of the suite, and the report names that command.
"""

from __future__ import annotations

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.check.checks import (
    ADVICE,
    FAILED,
    NOT_RUN,
    OK,
    Finding,
    check_plugin,
    run_quick_part,
)
from handler_core.cli.child.runs import models_named
from handler_core.cli.display import output, printable, write

__all__ = ["check"]

_STYLES = {OK: "green", FAILED: "bold red", ADVICE: "yellow", NOT_RUN: "dim"}


@click.command()
@click.argument("name")
def check(name: str) -> None:
    """Check whether the plugin of the model NAME is fit to be published.

    The checks cover the entry point, the class, the hooks, the metadata, and the quick part of the
    conformance suite. The exit status is 1 if a check fails.
    """
    models_named([name])
    findings = [*check_plugin(name)]
    if not _failures(findings):
        findings += run_quick_part(name)
    console = output()
    console.print(_table(findings))
    failures = _failures(findings)
    if failures:
        raise click.ClickException(f"{failures} of these checks failed for {name}")
    write(
        console,
        f"no check failed for {name}. To run the whole suite: "
        f"pytest --pyargs handler_core.testing --handler {name}",
    )


def _failures(findings: list[Finding]) -> int:
    return sum(finding.outcome == FAILED for finding in findings)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column("subject", style="bold", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("text", overflow="fold")
    for subject, outcome, text in findings:
        table.add_row(subject, Text(outcome, style=_STYLES[outcome]), Text(printable(text)))
    return table

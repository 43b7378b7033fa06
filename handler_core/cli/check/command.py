"""``handler-core check NAME``: check whether a plugin is fit to be published.

The command checks the entry point, the class and its hooks, the metadata of the distribution, and
the conformance suite: the part of it that takes only seconds, or with ``--all`` the whole.
"""

from __future__ import annotations

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.check.checks import (
    ADVICE,
    FAILED,
    NOT_POSSIBLE,
    NOT_RUN,
    OK,
    Finding,
    check_plugin,
    run_suite,
)
from handler_core.cli.child.runs import complete_model, models_named
from handler_core.cli.display import (
    json_option,
    output,
    printable,
    show_table,
    write,
    write_json,
)

__all__ = ["check"]

_STYLES = {
    OK: "green",
    FAILED: "bold red",
    ADVICE: "yellow",
    NOT_RUN: "dim",
    NOT_POSSIBLE: "bold yellow",
}

# The exit status if something could not be checked, and nothing that was checked has failed.
_NOT_CHECKED = 2


@click.command(epilog="Examples: handler-core check pool, handler-core check pool --all")
@click.argument("name", shell_complete=complete_model)
@click.option(
    "--all", "whole", is_flag=True, help="Run the tests too that take minutes, with a server."
)
@json_option
def check(name: str, whole: bool, as_json: bool) -> None:
    """Check whether the plugin of the model NAME is fit to be published.

    The checks cover the entry point, the class, the hooks, the metadata, and the conformance
    suite. The exit status is 1 if a check fails, and 2 if something could not be checked here.
    """
    models_named([name])
    findings = [*check_plugin(name)]
    if not _count(findings, FAILED):
        findings += run_suite(name, whole=whole)
    failed, not_possible = _count(findings, FAILED), _count(findings, NOT_POSSIBLE)
    if as_json:
        write_json({"model": name, "findings": [finding._asdict() for finding in findings]})
    else:
        show_table(output(), _table(findings))
    if failed:
        raise click.ClickException(f"{failed} of these checks failed for {name}")
    if not_possible:
        click.echo(f"no check failed for {name}, but not all was possible here", err=True)
        raise click.exceptions.Exit(_NOT_CHECKED)
    if not as_json:
        rest = f"handler-core check {name} --all"
        suite = f"pytest --pyargs handler_core.testing --handler {name}"
        advice = "" if whole else f". To run the whole suite: {rest}, or {suite}"
        write(output(), f"no check failed for {name}{advice}")


def _count(findings: list[Finding], outcome: str) -> int:
    return sum(finding.outcome == outcome for finding in findings)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column("subject", style="bold", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("text", overflow="fold")
    for subject, outcome, text in findings:
        table.add_row(subject, Text(outcome, style=_STYLES[outcome]), Text(printable(text)))
    return table

"""The group of all commands: ``handler-core COMMAND``."""

from __future__ import annotations

from typing import Any

import click

from handler_core.cli.bench.command import bench
from handler_core.cli.check.command import check
from handler_core.cli.demo.command import demo
from handler_core.cli.installed.commands import info, list_plugins
from handler_core.cli.new.command import new

__all__ = ["cli"]

_INTERRUPTED = 130  # 128 + SIGINT: the status that a shell reports


class _Group(click.Group):
    """A group that ends with a shell's status at Ctrl-C, and prints nothing."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Group)
@click.version_option(package_name="handler-core")
def cli() -> None:
    """The concurrency layer of network clients: see what is installed, and see it run."""


cli.add_command(bench)
cli.add_command(check)
cli.add_command(demo)
cli.add_command(info)
cli.add_command(list_plugins)
cli.add_command(new)

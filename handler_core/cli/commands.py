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


_EPILOG = """
\b
To complete commands, options and names of models by the tab key:
  bash   eval "$(_HANDLER_CORE_COMPLETE=bash_source handler-core)"
  zsh    eval "$(_HANDLER_CORE_COMPLETE=zsh_source handler-core)"
  fish   _HANDLER_CORE_COMPLETE=fish_source handler-core | source
The line belongs into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
"""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(package_name="handler-core")
def cli() -> None:
    """The concurrency layer of network clients: what is installed, and does it work?"""


cli.add_command(bench)
cli.add_command(check)
cli.add_command(demo)
cli.add_command(info)
cli.add_command(list_plugins)
cli.add_command(new)

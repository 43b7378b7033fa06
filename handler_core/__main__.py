"""The command ``handler-core``, also ``python -m handler_core``."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    If a package is missing that the command line needs, tell the user what to install, and exit
    with status 2.
    """
    for stream in (sys.stdout, sys.stderr):
        # The text of a plugin may have characters that the terminal or the locale cannot encode.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from handler_core.cli.commands import cli
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "handler_core":
            raise
        from handler_core.lookup._install_lines import install_line

        print(
            f"the command line needs the package {error.name}, which is not installed; "
            f"to install what it needs: {install_line('cli')}",
            file=sys.stderr,
        )
        sys.exit(2)
    cli(prog_name="handler-core")


if __name__ == "__main__":
    main()

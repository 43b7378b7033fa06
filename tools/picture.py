"""Draw `handler-core demo` as it looks in a terminal, for the README and the site.

``make picture`` runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "_static" / "demo.svg"
COLUMNS = 86

# As rich's own, without the fonts that it loads from elsewhere.
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
 font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(command: str, output: str) -> str:
    """Return a terminal as SVG: a command, and what it has printed, with its colours."""
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text(f"$ {command}", style="bold"))
    console.print(Text.from_ansi(output))
    return console.export_svg(
        title=command, theme=DIMMED_MONOKAI, code_format=_FORMAT, unique_id="demo"
    )


def main() -> None:
    """Run the demo, and write the picture."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "handler_core", "demo"],
        env=os.environ | {"COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the progress, which the tables replace
        text=True,
    )
    PICTURE.write_text(draw("handler-core demo", ended.stdout.strip("\n")))


if __name__ == "__main__":
    main()

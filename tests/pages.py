"""The pages of the documentation, and the programs in them.

``python tests/pages.py FOLDER`` writes the programs into a folder, for a type checker.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

# The address that the pages give for a ZooKeeper server, and how a block connects to it.
HOSTS = "127.0.0.1:2181"
CONNECTS = re.compile(r"zk\.start\(|started\(zk")


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    line: int  #: of its first line of text, counted from 0
    text: list[str]
    follows: bool  #: nothing but blank lines lies between it and the block before


def blocks_of(page: Path) -> list[Block]:
    blocks: list[Block] = []
    opened: Block | None = None
    follows = False
    for number, line in enumerate(page.read_text().splitlines()):
        if opened is not None:
            if line == "```":
                blocks.append(opened)
                opened, follows = None, True
            else:
                opened.text.append(line)
        elif line.startswith("```"):
            opened = Block(line.removeprefix("```"), number + 1, [], follows)
        elif line:
            follows = False
    assert opened is None, f"{page}: the block at line {opened.line} is not closed"
    return blocks


def program_of(page: Path, connecting: bool) -> tuple[str, str]:
    """Return a page's Python blocks as one program, and what it should print.

    Each line keeps its number, so that a traceback points into the page.
    """
    # A block that is left out may import what others name in annotations. (Line 1 is the title.)
    program = [] if connecting else ["from __future__ import annotations"]
    expected: list[str] = []
    runs = False
    for block in blocks_of(page):
        if block.language == "python":
            runs = connecting or not any(map(CONNECTS.search, block.text))
            if runs:
                program += [""] * (block.line - len(program)) + block.text
        elif block.language == "text" and block.follows and runs:
            expected += block.text
            runs = False
        else:
            runs = False
    return "\n".join(program) + "\n", "".join(f"{line}\n" for line in expected)


def pages() -> list[Path]:
    written = [ROOT / "README.md", *ROOT.glob("plugins/*/README.md"), *DOCS.rglob("*.md")]
    return [page for page in written if "_build" not in page.parts]


def programs() -> dict[Path, str]:
    """Return the text of all Python blocks of each page that has any."""
    texts = {
        page: "\n".join(
            line for block in blocks_of(page) if block.language == "python" for line in block.text
        )
        for page in pages()
    }
    return {page: text for page, text in texts.items() if text}


PROGRAMS = programs()
# The page that needs other servers. The tests of the clients run its programs.
CLIENTS = DOCS / "howto" / "clients.md"
CONNECTING = [page for page, text in PROGRAMS.items() if CONNECTS.search(text)]


def write_programs(folder: Path) -> None:
    """Write each page's programs into a module of its own. Each line keeps its number."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for page in PROGRAMS:
        program, _ = program_of(page, connecting=True)
        name = re.sub(r"\W", "_", name_of(page).removesuffix(".md"))
        (folder / f"{name}.py").write_text(program)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


if __name__ == "__main__":
    write_programs(Path(sys.argv[1]))

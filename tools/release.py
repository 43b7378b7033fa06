"""Give all distributions one version, and say what is missing for a release.

``make version V=0.2.0`` and ``make release-check`` run it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from handler_core.cli.versions import compatible_range

ROOT = Path(__file__).resolve().parent.parent

_VERSION = re.compile(r'^version = "(.*)"$', re.MULTILINE)
# A requirement on one of our distributions. What needs its own extra, as in `[all]`, has no range.
_BOUND = re.compile(r'"(handler-core[\w-]*(?:\[[^]]*\])?)>=[^"]*"')
_CITED = re.compile(r"^version: .*$", re.MULTILINE)


def projects(root: Path) -> list[Path]:
    """Return the ``pyproject.toml`` of each distribution. The core's is the first."""
    return [root / "pyproject.toml", *sorted((root / "plugins").glob("*/pyproject.toml"))]


def version_of(root: Path) -> str:
    """Return the version of the core."""
    return str(tomllib.loads(projects(root)[0].read_text())["project"]["version"])


def is_released_as(version: str) -> bool:
    """Return True for three numbers, and perhaps a pre-release: what a tag can say."""
    return re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}((a|b|rc)[1-9]\d*)?", version) is not None


def set_version(root: Path, version: str) -> None:
    """Write ``version`` wherever it is said, and the range of versions that fit together."""
    for path in projects(root):
        text = _VERSION.sub(f'version = "{version}"', path.read_text(), count=1)
        path.write_text(_BOUND.sub(rf'"\1{compatible_range(version)}"', text))
    cited = root / "CITATION.cff"
    cited.write_text(_CITED.sub(f"version: {version}", cited.read_text()))


def wrong_versions(root: Path) -> Iterator[str]:
    """Yield where a version differs from the core's, or a range does not fit it."""
    version = version_of(root)
    expected = Requirement(f"any{compatible_range(version)}").specifier
    for path in projects(root):
        project, name = tomllib.loads(path.read_text())["project"], path.relative_to(root)
        if project["version"] != version:
            yield f"{name} says {project['version']}, the core says {version}"
        texts = sum(project.get("optional-dependencies", {}).values(), project["dependencies"])
        for requirement in map(Requirement, texts):
            of_itself = requirement.name == project["name"] and not requirement.specifier
            ours = requirement.name.startswith("handler-core") and not of_itself
            if ours and requirement.specifier != expected:
                yield f"{name} requires {requirement}, and {expected} fits {version}"
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text():
        yield f"CITATION.cff does not say {version}"


def undated(root: Path) -> Iterator[str]:
    """Yield what is wrong with the newest heading of the changelog."""
    heading = re.search(r"^## (.*)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    found, version = heading[1] if heading else "nothing", version_of(root)
    if not re.fullmatch(rf"{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)", found):
        yield f"CHANGELOG.md begins with '{found}': write '{version} (YYYY-MM-DD)'"


def still_unreleased(root: Path) -> Iterator[str]:
    """Yield where a page says that nothing is released, and how to do without."""
    for path in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "not released" in line:
                yield f"{path.relative_to(root)}:{number} says that it is not released"


def without_a_change(root: Path) -> Iterator[str]:
    """Yield what git does not have: a release is made of what is committed."""
    command = ["git", "status", "--porcelain"]
    said = subprocess.run(  # noqa: S603  a constant command
        command, cwd=root, check=True, stdout=subprocess.PIPE, text=True
    )
    yield from said.stdout.splitlines()


def failing(*targets: str) -> Callable[[Path], Iterator[str]]:
    """Return a check that these targets of make succeed. Their output is shown as it comes."""

    def check(root: Path) -> Iterator[str]:
        command = ["make", "--no-print-directory", *targets]
        ended = subprocess.run(command, cwd=root, check=False)  # noqa: S603  targets of this project
        if ended.returncode:
            yield f"{' '.join(command)} ended with status {ended.returncode}"

    return check


Check = Callable[[Path], Iterator[str]]

#: What a look at the files says, without a build. The workflow of a release begins with it.
LOOKS: dict[str, Check] = {
    "the versions are equal, and the ranges fit": wrong_versions,
    "the changelog is dated": undated,
    "no page says that it is not released": still_unreleased,
    "all is committed": without_a_change,
}

CHECKS: dict[str, Check] = LOOKS | {
    "the documentation builds without a warning": failing("docs"),
    "the distributions are built": failing("wheels"),
    "the distributions work where nothing else is": failing("test-dist", "DIST=dist"),
}


def check(root: Path, checks: Mapping[str, Check]) -> bool:
    """Run each check, then say what each has found. Return whether nothing is missing."""
    found = {name: list(missing(root)) for name, missing in checks.items()}
    for name, lines in found.items():
        print("MISSING" if lines else "ok     ", name)
        for line in lines:
            print(f"        {line}")
    return not any(found.values())


def main() -> int:
    """Run the command line. Return the status to exit with."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("look", help="say what is missing, as far as a look tells")
    commands.add_parser("check", help="say what is missing for a release: 15 minutes")
    setting = commands.add_parser("version", help="set the version of all distributions")
    setting.add_argument("version", help="for example 0.2.0")
    arguments = parser.parse_args()
    if arguments.command != "version":
        return 0 if check(ROOT, CHECKS if arguments.command == "check" else LOOKS) else 1
    if not is_released_as(arguments.version):
        parser.error(f"{arguments.version!r} is no version of a release: write for example V=0.2.0")
    version = arguments.version
    set_version(ROOT, version)
    print(f"all distributions are {version} now; the next step: a heading in CHANGELOG.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

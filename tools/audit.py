"""Ask for known vulnerabilities of every version that ``constraints.txt`` names.

``make audit`` runs it. The package index answers. Some mirrors have no such data. Then nothing is
audited, and the program says so. With ``--all`` that is a failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PINNED = Path(__file__).resolve().parent.parent / "constraints.txt"


def judge(dependencies: Sequence[dict[str, Any]], everything: bool) -> tuple[int, list[str]]:
    """Return the status to exit with, and what to say.

    Args:
        dependencies: what pip-audit has found: a name, and either a reason why it was left out, or
            a version and its vulnerabilities.
        everything: whether it is a failure that one was left out.
    """
    left_out = [each["name"] for each in dependencies if "skip_reason" in each]
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]
    failed = bool(lines) or (everything and bool(left_out))
    audited = len(dependencies) - len(left_out)
    lines.append(f"{audited} of {len(dependencies)} distributions are audited")
    if left_out and not audited:
        lines.append("this package index has no data about vulnerabilities: ask another one")
    elif left_out:
        lines.append(f"left out: {', '.join(left_out)}")
    return int(failed), lines


def main() -> int:
    """Run the command line. Return the status to exit with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="fail if one could not be audited")
    everything = parser.parse_args().all
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip"]
    command += ["--progress-spinner", "off", "--format", "json", "--requirement", str(PINNED)]
    ended = subprocess.run(  # noqa: S603  a constant command
        command, check=False, capture_output=True, text=True
    )
    if not ended.stdout:
        sys.stderr.write(ended.stderr)
        return ended.returncode or 1
    status, lines = judge(json.loads(ended.stdout)["dependencies"], everything)
    print("\n".join(lines))
    return status


if __name__ == "__main__":
    sys.exit(main())

"""The documentation is true: its programs run, and print what the page says they print."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pages import CLIENTS, CONNECTING, DOCS, HOSTS, PROGRAMS, ROOT, name_of, program_of

import handler_core
from handler_core.testing import ZooKeeperServer


def run(program: str, folder: Path) -> str:
    path = folder / "page.py"
    path.write_text(program)
    environment = {name: os.environ[name] for name in os.environ if "HANDLER_CORE" not in name}
    # eventlet warns whoever imports it that it is deprecated, but not where this is set.
    environment["EVENTLET_TESTS"] = "1"
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_pages_that_must_have_programs_are_found() -> None:
    found = {name_of(page) for page in PROGRAMS}
    assert {"README.md", "docs/tutorial/quickstart.md", "docs/howto/wrappers.md"} <= found
    assert {name_of(page) for page in CONNECTING} == {
        "README.md",
        "docs/index.md",
        "docs/tutorial/quickstart.md",
        "docs/howto/asyncio.md",
        "docs/howto/trio.md",
        "docs/howto/forks.md",
    }


def test_the_pages_of_the_event_loops_are_side_by_side() -> None:
    """They have the same chapters, and the same programs."""

    def parts_of(model: str) -> list[str]:
        page = (DOCS / "howto" / f"{model}.md").read_text().replace(model, "LOOP")
        return re.findall(r"^(?:## .*|(?:async )?def \w+|```text\n[^`]*```)", page, re.MULTILINE)

    assert parts_of("asyncio") == parts_of("trio")


@pytest.mark.parametrize("page", [page for page in PROGRAMS if page != CLIENTS], ids=name_of)
def test_the_programs_of_a_page_run(page: Path, tmp_path: Path) -> None:
    program, expected = program_of(page, connecting=False)
    assert run(program, tmp_path) == expected


@pytest.mark.parametrize("page", CONNECTING, ids=name_of)
def test_the_programs_of_a_page_run_with_zookeeper(page: Path, tmp_path: Path) -> None:
    missing = ZooKeeperServer.why_missing()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    program, expected = program_of(page, connecting=True)
    with ZooKeeperServer() as server:
        assert run(program.replace(HOSTS, server.hosts), tmp_path) == expected


def test_the_contract_has_one_anchor_a_line() -> None:
    lines = (DOCS / "reference" / "contract.md").read_text().splitlines()
    anchors = [
        (anchor[1], re.match(r"### C(\d+) ", lines[number + 1]))
        for number, line in enumerate(lines)
        if (anchor := re.fullmatch(r"\((c\d+)\)=", line))
    ]
    assert [(name, heading and heading[1]) for name, heading in anchors] == [
        (f"c{number}", str(number)) for number in range(1, 22)
    ]


def test_the_reference_has_every_public_name() -> None:
    reference = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    documented = set(
        re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)(?:\(\w*\))?$", reference, re.MULTILINE)
    )
    assert set(handler_core.__all__) - documented == set()


def test_every_environment_variable_has_a_row() -> None:
    page = (DOCS / "reference" / "environment.md").read_text()
    sources = [*ROOT.glob("handler_core/**/*.py"), *ROOT.glob("plugins/*/handler_core_*/**/*.py")]
    read = {
        name
        for source in sources
        for name in re.findall(r"\b_?HANDLER_CORE_[A-Z]+\b", source.read_text())
    }
    assert read == set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))


LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"], ids=name_of
)
def test_the_links_into_the_project_lead_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_badges_are_true() -> None:
    """Each says what the project's own files say."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(project["project"]["classifiers"]))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert f"python: {json.dumps(versions)}" in workflow
    assert project["tool"]["mypy"]["strict"]
    badges = [
        ("Python", f"{versions[0]} to {versions[-1]}"),
        ("types", "mypy strict"),
        ("licence", project["project"]["license"]),
    ]
    readme = (ROOT / "README.md").read_text()
    found = re.findall(r"^\[!\[(.+?)\]\(https://img\.shields\.io/badge/(.+?)-blue\)", readme, re.M)
    assert [text.replace(":", "") for text, _ in found] == [" ".join(badge) for badge in badges]
    assert [picture for _, picture in found] == ["-".join(b).replace(" ", "_") for b in badges]


def test_the_pool_of_the_guide_works_in_the_child_of_work_that_forks() -> None:
    """There the thread that forked is none of the pool's."""
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
from final import POOL

def fork():
    pid = os.fork()
    if pid == 0:
        def goes_on():
            ended = POOL.submit(int, 1).result(timeout=30) == 1
            os._exit(0 if ended else 1)
        import threading
        threading.Thread(target=goes_on).start()
    return pid

pid = POOL.submit(fork).result(timeout=30)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert POOL.submit(int, 2).result(timeout=30) == 2
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, DOCS / "examples" / "pool"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

"""The guide to a client is true: each step runs on every model, and prints what the page says."""

from __future__ import annotations

import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from pages import DOCS, blocks_of

from handler_core import list_handlers

from .servers import Memcached

PAGE = DOCS / "tutorial" / "write-a-client.md"
PROGRAMS = DOCS / "examples" / "memcached"

MODELS = [model.name for model in list_handlers()]


class Step(NamedTuple):
    """A program of the page, and what it prints."""

    program: str
    takes_model: bool
    output: str


def steps() -> list[Step]:
    blocks = blocks_of(PAGE)
    found = []
    for command, output in itertools.pairwise(blocks):
        called = re.fullmatch(r"\$ (?:\w+=\S+ )*python (\w+\.py)( \w+)?", "\n".join(command.text))
        if command.language == "console" and called is not None:
            assert (output.language, output.follows) == ("text", True), command
            text = "".join(f"{line}\n" for line in output.text)
            found.append(Step(called[1], called[2] is not None, text))
    return found


STEPS = steps()
RUNS = [
    pytest.param(step, model, id=f"{step.program}-{model}")
    for step in STEPS
    for model in (MODELS if step.takes_model else [""])
]


@pytest.fixture
def environment(memcached: Memcached) -> dict[str, str]:
    """What tells the programs of the guide where the server is."""
    return {
        **{name: os.environ[name] for name in os.environ if "HANDLER_CORE" not in name},
        "EVENTLET_TESTS": "1",  # or eventlet warns that it is deprecated
        "MEMCACHED": f"127.0.0.1:{memcached.port}",
        "MEMCACHED_TLS": f"{memcached.host}:{memcached.secure_port}",
    }


def run(environment: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_the_page_has_every_program() -> None:
    files = {path.name for path in PROGRAMS.glob("*.py")}
    assert files - {"run.py", "protocol.py", "test_client.py"} == {step.program for step in STEPS}
    shown = set(re.findall(r"\.\./examples/memcached/(\S+?)[)\n]", PAGE.read_text()))
    assert shown == files | {"pyproject.toml"}


@pytest.mark.parametrize(("step", "model"), RUNS)
def test_a_step_runs(step: Step, model: str, environment: dict[str, str]) -> None:
    assert run(environment, step.program, *([model] if model else [])) == step.output


@pytest.mark.parametrize("model", MODELS)
def test_the_step_with_tls_runs_with_tls(
    model: str, environment: dict[str, str], memcached: Memcached
) -> None:
    environment["MEMCACHED"] = environment["MEMCACHED_TLS"]
    environment["MEMCACHED_CA"] = str(memcached.files.authority)
    [step] = [step for step in STEPS if step.program == "tls.py"]
    assert run(environment, step.program, model) == step.output


def test_the_tests_of_the_guide_pass(environment: dict[str, str], memcached: Memcached) -> None:
    """All of them: on every model that is installed, with a real server and with false ones."""
    environment["MEMCACHED_CA"] = str(memcached.files.authority)
    environment["CI"] = "true"  # nothing is skipped
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_client.py"],
        cwd=PROGRAMS,
        env=environment,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0


PACKAGE_PROGRAM = """
import pocket_memcached
from handler_core import get_handler

with get_handler("threading") as handler:
    client = pocket_memcached.Client(handler, ADDRESS)
    with client:
        print(client.set("k", b"v").get(timeout=30))
"""


def changed(program: Path, *changes: tuple[str, str]) -> str:
    """Return the text of a program of the guide with some lines changed."""
    text = program.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_the_package_works(
    tmp_path: Path, environment: dict[str, str], memcached: Memcached
) -> None:
    """It is made and built as the page says, and requires the core and no model."""
    package = tmp_path / "pocket_memcached"
    package.mkdir()
    shutil.copy(PROGRAMS / "pyproject.toml", tmp_path)
    client = changed(
        PROGRAMS / "notices.py",
        ("\nimport protocol\n", "\nfrom pocket_memcached import protocol\n"),
        ("\nfrom protocol import ", "\nfrom pocket_memcached.protocol import "),
        ("\nfrom run import Address, run\n", "\n\nAddress = tuple[str, int]\n"),
    )
    client = client[: client.index("def main(")]
    (package / "client.py").write_text(client)
    (package / "protocol.py").write_text((PROGRAMS / "protocol.py").read_text())
    (package / "__init__.py").write_text("from pocket_memcached.client import Client\n")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", tmp_path],
        capture_output=True,
        timeout=60,
        check=True,
    )
    [wheel] = (tmp_path / "dist").iterdir()
    [distribution] = importlib.metadata.distributions(path=[str(wheel)])
    requirements = map(Requirement, distribution.requires or [])
    assert [each.name for each in requirements if each.marker is None] == ["handler-core"]
    program = tmp_path / "elsewhere" / "program.py"
    program.parent.mkdir()
    program.write_text(f"ADDRESS = ('127.0.0.1', {memcached.port})\n{PACKAGE_PROGRAM}")
    environment["PYTHONPATH"] = str(wheel)
    assert run(environment, str(program)) == "True\n"

    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(PROGRAMS / "run.py", tests)
    test = changed(
        PROGRAMS / "test_client.py",
        ("\nimport notices\n", "\nfrom pocket_memcached import client as notices\n"),
        ("\nfrom notices import ", "\nfrom pocket_memcached.client import "),
        ("\nfrom protocol import ", "\nfrom pocket_memcached.protocol import "),
    )
    (tests / "test_client.py").write_text(test)
    command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "never_taken", str(tests))
    assert " passed" in run(environment, *command)

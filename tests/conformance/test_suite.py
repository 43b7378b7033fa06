"""The conformance suite finds what is broken, and says what.

Each handler of ``broken`` is installed, and the suite is run on it as an author runs it, in a
process of its own. That the suite passes the handlers that are in order, their own tests show.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import broken
import pytest
from fake_plugins import Site

from handler_core.testing.contract import CONTRACT

HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(600)


def number_of(name: str) -> int:
    """Return the line that a broken handler breaks."""
    found = re.match(r"C(\d+)", name)
    assert found is not None
    return int(found[1])


def first_of_each_line() -> set[str]:
    first: dict[int, str] = {}
    for name in broken.HANDLERS:
        first.setdefault(number_of(name), name)
    return set(first.values())


ALONE = first_of_each_line()


def run_suite(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("HANDLER_CORE_")}
    variables["PYTHONPATH"] = os.pathsep.join((str(folder), str(HERE)))
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "short_limits", "-p", "no:cacheprovider"),
            *("-q", "-rfE", "--tb=short", "-W", "ignore", "--rootdir", folder),
            *("--pyargs", "handler_core.testing", *options),
        ],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    site.distribution("broken", handlers={name: f"broken:{name}" for name in broken.HANDLERS})
    return site


Runs = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def runs(site: Site, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Run the suite on the handlers whose tests were selected, two at a time."""
    wanted = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_what_is_broken_is_found
    ]
    with ThreadPoolExecutor(2) as pool:

        def start(name: str) -> Future[subprocess.CompletedProcess[str]]:
            options = ["--handler", name]
            if name not in ALONE:  # its own line only, which takes a second
                options += ["-k", f"test_c{number_of(name)}_"]
            return pool.submit(run_suite, site.folder, *options)

        yield {name: start(name) for name in wanted}
        pool.shutdown(cancel_futures=True)


def test_there_is_a_broken_handler_for_each_line() -> None:
    assert {number_of(name) for name in broken.HANDLERS} == set(CONTRACT)


@pytest.mark.parametrize("name", broken.HANDLERS)
def test_what_is_broken_is_found(name: str, runs: Runs) -> None:
    ended = runs[name].result()
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, f"{ended.stdout}\n{ended.stderr}"
    failed = re.findall(r"^(?:FAILED|ERROR) \S+::test_c(\d+)_", ended.stdout, re.MULTILINE)
    line = CONTRACT[number_of(name)]
    assert {int(number) for number in failed} == {line.number} | broken.ALSO.get(name, set()), (
        ended.stdout
    )
    # In words, with a link.
    assert f"{line.heading}: this line of the contract is broken" in ended.stdout
    assert line.promise in ended.stdout
    assert line.url in ended.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "TestConformance names no model"),
        (("--handler", "nix"), "no handler named 'nix' is installed"),
        (("--handler", "C1StartsOne"), "did you mean C1StartsOnce"),
    ],
)
def test_without_a_model_it_does_not_begin(site: Site, options: tuple[str, ...], said: str) -> None:
    ended = run_suite(site.folder, *options)
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert said in ended.stderr
    assert "passed" not in ended.stdout


def test_a_plugin_that_cannot_be_imported_is_said_at_once(site: Site) -> None:
    site.distribution("lost", handlers={"lost": "no_such_module:Handler"})
    ended = run_suite(site.folder, "--handler", "lost")
    assert ended.returncode == pytest.ExitCode.USAGE_ERROR
    assert "plugin 'lost' (no_such_module:Handler) of lost 1.0 cannot be imported" in ended.stderr


def test_a_failing_test_of_somebody_else_is_left_alone(site: Site) -> None:
    (site.folder / "test_own.py").write_text("def test_c1_own():\n    assert False\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "contract" not in ended.stdout

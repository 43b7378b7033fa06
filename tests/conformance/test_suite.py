"""The conformance suite finds what is broken, and says what.

Each handler of ``broken`` is installed, and the test that must find it is run on it, with short
time limits. On some handlers all tests of the broken line are run. On these the rest of the suite
is run too, as an author runs it, and passes. Each run has a process of its own, see ``forks.py``.
That the suite passes the handlers that are in order, their own tests show.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import broken
import pytest
from fake_plugins import Site

from handler_core.testing import Suite
from handler_core.testing._contract_texts import CONTRACT

HERE = Path(__file__).parent

SUITE = ("--pyargs", "handler_core.testing")

# The runs begin before the first test, and go on beside the others. Their own tests come last.
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("broken_runs", "other_runs")]


def number_of(name: str) -> int:
    """Return the line that a broken handler breaks."""
    found = re.match(r"C(\d+)", name)
    assert found is not None
    return int(found[1])


def first_of_every_eighth_line() -> set[str]:
    first: dict[int, str] = {}
    for name in broken.HANDLERS:
        first.setdefault(number_of(name), name)
    return {first[number] for number in sorted(first)[::8]}


# The whole suite runs on these, to show that it reports no other line as broken. That takes a
# minute for each.
ALONE = first_of_every_eighth_line()


def lines_that_break(name: str) -> set[int]:
    """Return the line that a handler breaks, and those that rely on it."""
    return {number_of(name)} | broken.ALSO.get(name, set())


def prefixes_of(name: str) -> list[str]:
    """Return how the names of the tests begin that are about the broken lines."""
    return [f"test_c{number}_" for number in sorted(lines_that_break(name))]


# A handler that is in order, for the same forks with the same limits.
IN_ORDER = "threading"


def what_to_run(name: str) -> tuple[str, int]:
    """Return a pattern of tests' names, and how many failures end the run (0: it goes on)."""
    if name == IN_ORDER:
        return r"test_c(10|17)_\w+", 0
    if name in ALONE:
        return rf"({'|'.join(prefixes_of(name))})\w+", 0
    return broken.FOUND_BY[name], 1


# Seconds that one run of the suite may take, or wait for its turn.
LIMIT = 500


# For what is expected to fail. What must pass has the limits of the suite.
SHORT_LIMITS = ("-p", "short_limits")


def command(folder: Path, *arguments: str) -> list[str]:
    """Return the command that calls pytest with these arguments."""
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        *("-q", "-rfE", "--tb=short", "-W", "ignore", "--rootdir", str(folder)),
        *arguments,
    ]


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment in which the site and the broken handlers are found."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("HANDLER_CORE_")}
    # Broken handlers replace parts of the core, as only the Python source allows.
    variables["HANDLER_CORE_PURE"] = "1"
    return variables | {"PYTHONPATH": os.pathsep.join((str(folder), str(HERE)))}


def run_suite(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the suite as it is distributed."""
    return run_pytest(folder, *SUITE, *options)


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments),
        cwd=folder,
        env=environment_of(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("site"))
    site.distribution("broken", handlers={name: f"broken:{name}" for name in broken.HANDLERS})
    return site


Runs = dict[str, Future[subprocess.CompletedProcess[str]]]


def names_of(request: pytest.FixtureRequest, function: object) -> list[str]:
    """Return the handlers for which this test of theirs was selected."""
    return [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is function
    ]


@pytest.fixture(scope="module")
def broken_runs(
    site: Site, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """Run the lines that are broken on the handlers that were selected, several at a time."""
    runs: Runs = {name: Future() for name in names_of(request, test_what_is_broken_is_found)}
    runs[IN_ORDER] = Future()
    folder = tmp_path_factory.mktemp("runs")
    any_handler = ("--handler", next(iter(broken.HANDLERS)))
    arguments = command(folder, *SHORT_LIMITS, "-p", "forks", "-s", *SUITE, *any_handler)
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=environment_of(site.folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    output = process.stdout

    def collect() -> None:
        said = []
        for line in output:
            match line.split():
                case ["ended", name, status]:
                    written = [
                        (folder / f"{name}.{end}").read_text("utf-8", "replace")
                        for end in ("out", "err")
                    ]
                    ended = subprocess.CompletedProcess(arguments, int(status), *written)
                    runs[name].set_result(ended)
                case _:
                    said.append(line)
        for run in runs.values():
            if not run.done():
                run.set_exception(RuntimeError("".join(said)))

    collector = Thread(target=collect)
    collector.start()
    try:
        with process.stdin as pipe:
            json.dump({name: what_to_run(name) for name in runs}, pipe)
        yield runs
    finally:
        # With the runs that are still going on, if a test has failed before it waited for them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        collector.join()
        output.close()


@pytest.fixture(scope="module")
def other_runs(site: Site, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Run all other lines on the handlers that were selected, one after the other."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        runs: Runs = {}
        for name in names_of(request, test_what_is_in_order_passes):
            others = f"not ({' or '.join(prefixes_of(name))})"
            options = ("--handler", name, "-k", others)
            runs[name] = executor.submit(run_suite, site.folder, *options)
        yield runs
        executor.shutdown(cancel_futures=True)


def test_there_is_a_broken_handler_for_each_line() -> None:
    assert {number_of(name) for name in broken.HANDLERS} == set(CONTRACT)


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


# The suite as an author's tests subclass it.

AUTHORS_TEST = """
import os, time
import broken, handler_core, pytest
from handler_core.testing import HandlerConformance

class TestIt(HandlerConformance):
    handler_name = "C1StartsOnce"  # not the one that is made

    def make_handler(self):
        return Made()

class Made(broken.Threads):
"""


class Forking(Suite):
    handler_name = "threading"


def run_authors_test(site: Site, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    test = site.folder / "test_authors.py"
    test.write_text(AUTHORS_TEST + textwrap.indent(textwrap.dedent(source), "    "))
    return run_pytest(site.folder, *SHORT_LIMITS, str(test), *options)


@pytest.mark.parametrize("test", ["c4", "c5", "c8"])
def test_a_process_of_its_own_has_the_handler_of_the_test(site: Site, test: str) -> None:
    source = {
        "c4": "__init__ = broken.C4StopsAtExit.__init__",
        "c5": "after_fork_in_child = broken.C5ForgetsThatItForked.after_fork_in_child",
        "c8": "deliver_exit = broken.C8KeepsExitsForItself.deliver_exit",
    }[test]
    ended = run_authors_test(site, source, "-k", f"test_{test}_")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "set handler_source to a Python expression" in ended.stdout

    kind = {"c4": "C4StopsAtExit", "c5": "C5ForgetsThatItForked", "c8": "C8KeepsExitsForItself"}
    source += f"\n\nTestIt.handler_source = 'broken.{kind[test]}()'\n"
    source += "TestIt.prelude = 'import broken'\n"
    ended = run_authors_test(site, source, "-k", f"test_{test}_")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "set handler_source" not in ended.stdout
    assert f"{CONTRACT[int(test[1:])].heading}: this line of the contract is broken" in ended.stdout


HANGS = """
@handler_core.hookimpl
def stop(self):
    while self.running:
        {}
"""
SWALLOWS = """
        try:
            time.sleep(1000)
        except BaseException:
            pass
"""


def test_what_hangs_is_said_once(site: Site) -> None:
    ended = run_authors_test(site, HANGS.format("time.sleep(1)"), "-k", "c1_with_statement")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Overdue: this hangs" in ended.stdout
    outcomes = re.findall(r"^(FAILED|ERROR) ", ended.stdout, re.MULTILINE)
    assert set(outcomes) == {"FAILED"}


def test_what_nothing_interrupts_ends_with_a_stack(site: Site) -> None:
    ended = run_authors_test(site, HANGS.format(SWALLOWS.strip()), "-k", "c1_with_statement")
    assert "1 failed" not in ended.stdout  # pytest itself has come to nothing
    assert "Timeout (" in ended.stderr
    assert "test_c1_with_statement" in ended.stderr
    assert "in stop" in ended.stderr


def test_a_shorter_time_limit_of_the_author_counts(site: Site) -> None:
    options = ("--timeout", "1", "--timeout-method", "signal", "-k", "c1_with_statement")
    ended = run_authors_test(site, HANGS.format("time.sleep(0.1)"), *options)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Timeout (>1.0s) from pytest-timeout" in ended.stdout
    assert "Overdue" not in ended.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("status", [0, 1])
def test_what_a_process_of_a_test_has_forked_ends_with_it(status: int, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    body = f"""
        import os, time
        begun, begin = os.pipe()
        if not os.fork():
            os.open({str(fifo)!r}, os.O_WRONLY)
            os.close(1)
            os.close(2)
            os.write(begin, b"x")
            time.sleep(1000)
        os.read(begun, 1)
        os._exit({status})
    """
    outcome = pytest.raises(AssertionError) if status else contextlib.nullcontext()
    with open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        os.set_blocking(reader.fileno(), True)
        with outcome:
            Forking().run_script(body)
        assert reader.read() == ""  # when nobody is left who could write


@pytest.mark.parametrize("what", ["__init__", "start", "stop"])
def test_a_handler_that_cannot_be_used_breaks_the_first_line(site: Site, what: str) -> None:
    """Whatever line the test is about."""
    source = "@handler_core.hookimpl\n" if what != "__init__" else ""
    source += f"def {what}(self):\n    raise OSError('as planned')\n"
    ended = run_authors_test(site, source, "-k", "c11_get_times_out")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "C1 Start and stop: this line of the contract is broken" in ended.stdout
    assert "C11" not in ended.stdout


def test_a_process_of_xdist_says_that_the_model_is_missing(site: Site) -> None:
    """In a worker of xdist nothing can be refused: each test fails."""
    site.module(
        "as_worker",
        """
        def pytest_configure(config):
            config.workerinput = {}
        """,
    )
    ended = run_suite(site.folder, "-p", "as_worker", "-k", "c10_states")
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED
    assert "TestConformance names no model" in ended.stdout


def failed_in(ended: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the names of the tests that have failed, without their parameters."""
    return set(re.findall(r"^(?:FAILED|ERROR) \S+::(test_\w+)", ended.stdout, re.MULTILINE))


@pytest.mark.parametrize("name", broken.HANDLERS)
def test_what_is_broken_is_found(name: str, site: Site, broken_runs: Runs) -> None:
    ended = broken_runs[name].result(LIMIT)
    for _ in range(2):
        if broken.FOUND_BY[name] in failed_in(ended):
            break
        # Some faults show only if threads take turns in a certain order, and a busy machine may
        # give them another one.
        tests = " or ".join(prefixes_of(name)) if name in ALONE else broken.FOUND_BY[name]
        ended = run_suite(site.folder, *SHORT_LIMITS, "--handler", name, "-k", tests)
    failed = failed_in(ended)
    assert ended.returncode == pytest.ExitCode.TESTS_FAILED, f"{ended.stdout}\n{ended.stderr}"
    assert broken.FOUND_BY[name] in failed, f"{ended.stdout}\n{ended.stderr}"
    if name in ALONE:
        lines = {re.sub(r"(test_c\d+_).*", r"\1", test) for test in failed}
        assert lines == {*prefixes_of(name)}, ended.stdout
    line = CONTRACT[number_of(name)]
    # In words, with a link.
    assert f"{line.heading}: this line of the contract is broken" in ended.stdout
    assert line.promise in ended.stdout
    assert line.url in ended.stdout


def test_a_fork_alone_breaks_nothing(broken_runs: Runs) -> None:
    ended = broken_runs[IN_ORDER].result(LIMIT)
    assert ended.returncode == pytest.ExitCode.OK, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout


@pytest.mark.parametrize("name", sorted(ALONE))
def test_what_is_in_order_passes(name: str, other_runs: Runs) -> None:
    """Only the broken line fails, and those that rely on it."""
    ended = other_runs[name].result()
    assert ended.returncode == pytest.ExitCode.OK, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout

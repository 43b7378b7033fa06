"""``handler-core demo``, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from odd_model import LINKS_TWICE, MODEL

from handler_core.testing import ZooKeeperServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of each row that names a job. Two spaces or more separate the cells."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    return [cells for cells in lines if {"pipelined client", "KazooClient"} & set(cells)]


def assert_measured(row: list[str], model: str, job: str, callbacks: str) -> None:
    assert row[:2] == [model, job]
    rate, ran, p50, p99, threads = row[2:]
    assert ran == callbacks
    assert float(rate.replace(",", "")) > 0
    assert 0 < float(p99) >= float(p50) >= 0
    assert int(threads) >= 2  # threading has the main thread and at least one worker


def test_shows_each_installed_model_and_says_what_it_left_out(run: Run) -> None:
    done = run("demo", "--requests", "1205")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    # 1,205 linked callbacks, and 121 dispatched ones.
    assert_measured(
        next(row for row in rows if row[0] == "threading"), "threading", "pipelined client", "1,326"
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("KazooClient is left out: ")
    assert "apt-get install zookeeper" in line


def test_runs_the_named_models_only(run: Run, plugin: MakePlugin) -> None:
    folder = plugin("odd", MODEL)
    done = run("demo", "--requests", "50", "odd", "odd", folders=[folder])
    assert done.returncode == 0, done.stderr
    assert [row[0] for row in rows_of(done.stdout)] == ["odd"]


def test_what_was_measured_as_json(run: Run, plugin: MakePlugin) -> None:
    folder = plugin("bad", "raise ValueError('as planned')")
    done = run("demo", "--requests", "50", "--json", "threading", "bad", folders=[folder])
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["requests"] == 50
    works, fails = found["runs"]
    assert fails == {"model": "bad", "job": "pipelined client", "worked": False}
    assert works["rate"] > 0
    assert (works["model"], works["worked"], works["linked"], works["dispatched"]) == (
        *("threading", True),
        *(50, 5),
    )


def test_ctrl_c_keeps_what_is_done(
    environment: Callable[..., dict[str, str]], plugin: MakePlugin, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    source = f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(1000)"
    command = [sys.executable, "-m", "handler_core", "demo", "--requests", "50"]
    with subprocess.Popen(
        [*command, "threading", "hangs"],
        env=environment([plugin("hangs", source)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        begun.read_text()  # returns when the second model is imported
        process.send_signal(signal.SIGINT)
        shown, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert [row[0] for row in rows_of(shown)] == ["threading"]


@pytest.mark.usefixtures("need_zookeeper")
def test_runs_in_the_loop_of_a_model_that_has_one(run: Run) -> None:
    done = run("demo", "--requests", "500", "asyncio", "threading", zookeeper=True)
    assert done.returncode == 0, done.stderr
    in_loop = [row for row in rows_of(done.stdout) if row[0] == "asyncio"]
    assert [(row[1], row[-1]) for row in in_loop] == [
        ("pipelined client", "1"),  # the last cell is the number of threads
        ("KazooClient", "1"),
    ]
    assert done.stdout.rstrip().endswith("called by a coroutine, in its event loop: asyncio")


@pytest.mark.usefixtures("need_zookeeper")
def test_runs_kazoo_on_a_server_of_its_own(run: Run) -> None:
    done = run("demo", "--requests", "500", "threading", zookeeper=True)
    assert done.returncode == 0, done.stderr
    pipelined, kazoo = rows_of(done.stdout)
    assert_measured(pipelined, "threading", "pipelined client", "550")
    assert_measured(kazoo, "threading", "KazooClient", "550")
    assert done.stderr == ""


@pytest.mark.usefixtures("need_zookeeper")
def test_runs_kazoo_on_a_given_ensemble_and_leaves_nothing_there(run: Run) -> None:
    from kazoo.client import KazooClient

    with ZooKeeperServer() as server:
        done = run("demo", "--requests", "500", "--zookeeper", server.hosts, "threading")
        client = KazooClient(server.hosts)
        client.start()
        children = client.get_children("/")
        client.stop()
        client.close()
    assert done.returncode == 0, done.stderr
    (row,) = rows_of(done.stdout)
    assert_measured(row, "threading", "KazooClient", "550")
    assert children == ["zookeeper"]


def test_an_ensemble_that_nobody_is(run: Run) -> None:
    # No server listens on port 1.
    done = run("demo", "--zookeeper", "127.0.0.1:1", "threading")
    assert done.returncode == 1
    assert "failed: threading, KazooClient: no connection to 127.0.0.1:1 within" in done.stderr
    assert rows_of(done.stdout) == [["threading", "KazooClient", "failed"]]


BROKEN = {
    "import": ("raise OSError('no luck')", "cannot be imported: OSError: no luck"),
    "markup": ("raise OSError('[red]luck[/]')", "cannot be imported: OSError: [red]luck[/]"),
    "no hooks": ("class Handler: pass", "missing hook select"),
    "leaves": ("import sys; sys.exit('bye')", "cannot be imported: SystemExit: bye"),
    "exit": ("import os; os._exit(7)", "the process ended with status 7 and no result"),
    "signal": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "the process was killed by SIGKILL",
    ),
    "prints": (
        "import os; print('{}', flush=True); os.write(2, b'last words'); os._exit(3)",
        "the process ended with status 3 and no result\n    {}\n    last words",
    ),
    "lost callback": (
        MODEL
        + """
    @hookimpl
    def dispatch_callback(self, callback):
        if b"request 20" not in callback.args:
            super().dispatch_callback(callback)
""",
        "4 dispatched callbacks ran instead of 5",
    ),
    "repeated callback": (
        MODEL
        + """
    @hookimpl
    def dispatch_callback(self, callback):
        super().dispatch_callback(callback)
        super().dispatch_callback(callback)
""",
        "10 dispatched callbacks ran instead of 5",
    ),
    "repeated link": (
        MODEL + LINKS_TWICE,
        "linked callbacks ran instead of 50",
    ),
    "lost connection": (
        MODEL
        + """
    def create_connection(self, address, timeout=None):
        raise ConnectionRefusedError("nobody there")
""",
        "ConnectionRefusedError: nobody there",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_model_is_reported_and_the_others_run(
    run: Run, plugin: MakePlugin, case: str
) -> None:
    source, reason = BROKEN[case]
    source = source.replace('b"request 20"', 'b"notify request 20"')
    folder = plugin("odd", source)
    done = run("demo", "--requests", "50", "odd", "threading", folders=[folder])
    assert done.returncode == 1
    assert "failed: odd, pipelined client: " in done.stderr
    assert reason in done.stderr
    odd, threading_row = rows_of(done.stdout)
    assert odd == ["odd", "pipelined client", "failed"]
    assert_measured(threading_row, "threading", "pipelined client", "55")


@pytest.mark.parametrize(
    ("source", "done_requests"),
    [
        ("import time; time.sleep(600)", 0),
        # This model works, but its process does not end.
        (MODEL + "import atexit; atexit.register(time.sleep, 600)", 50),
    ],
)
def test_a_model_that_hangs_is_ended(
    run: Run, plugin: MakePlugin, source: str, done_requests: int
) -> None:
    folder = plugin("odd", source)
    done = run("demo", "--requests", "50", "--timeout", "3", "odd", folders=[folder])
    assert done.returncode == 1
    reason = f"took longer than 3 seconds, with {done_requests} of 50 requests done"
    assert reason in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--requests", "0"], "'--requests': 0 is not in the range x>=1"),
        (["--requests", "many"], "'--requests': 'many' is not a valid integer"),
        (["--timeout", "0"], "'--timeout': 0.0 is not a positive number of seconds"),
        (["--timeout", "-1"], "'--timeout': -1.0 is not a positive number of seconds"),
        (["--timeout", "nan"], "'--timeout': nan is not a positive number of seconds"),
        (["--timeout", "inf"], "'--timeout': inf is not a positive number of seconds"),
        (["--zookeeper", ""], "'--zookeeper': '': bad hostname"),
        (["--zookeeper", "host:port"], "'--zookeeper': 'host:port': "),
        (["--zookeper", "host"], "No such option"),
    ],
)
def test_bad_options(run: Run, arguments: list[str], complaint: str) -> None:
    done = run("demo", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_server_that_cannot_start(run: Run, tmp_path: Path, need_zookeeper: None) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho out of beans; exit 1\n")
    java.chmod(0o755)
    done = run("demo", "--requests", "50", "threading")
    assert done.returncode == 1
    assert "failed: KazooClient is left out: " in done.stderr
    assert "out of beans" in done.stderr
    assert [row[:2] for row in rows_of(done.stdout)] == [["threading", "pipelined client"]]

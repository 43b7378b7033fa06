"""The behaviour that all commands share that run jobs in child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]

# For each command: the arguments that make it short, the job that it runs, and its last progress.
SHORT = {"demo": ("--requests", "50"), "bench": ("--rounds", "1")}
JOB = {"demo": b"pipelined client", "bench": b"single operations"}
ALL_DONE = {"demo": b"50/50", "bench": b"7/7"}

pytestmark = pytest.mark.parametrize("command", SHORT)


def test_no_bar_where_there_is_no_terminal(run: Run, command: str) -> None:
    done = run(command, *SHORT[command], "threading")
    assert "threading" in done.stdout
    for control in ("\x1b", "\r", "━"):
        assert control not in done.stdout + done.stderr


def test_a_bar_where_there_is_a_terminal(
    environment: Callable[..., dict[str, str]], command: str
) -> None:
    terminal, stderr = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "handler_core", command, *SHORT[command], "threading"],
        env=environment() | {"TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        os.close(stderr)
        shown = b""
        with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as file:
            while data := file.read(4096):  # the end is an EIO: the other side is closed
                shown += data
        table, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert JOB[command] in shown
    assert ALL_DONE[command] in shown
    assert "\x1b" not in table
    assert "threading" in table


def test_a_library_is_not_taken_from_the_current_folder(
    environment: Callable[..., dict[str, str]], tmp_path: Path, command: str
) -> None:
    (tmp_path / "handler_core_threading.py").write_text("raise SystemExit('the wrong one')")
    script = Path(sys.executable).with_name("handler-core")
    done = subprocess.run(
        [script, command, *SHORT[command], "threading"],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_ends_the_children_without_a_traceback(
    environment: Callable[..., dict[str, str]], plugin: MakePlugin, tmp_path: Path, command: str
) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    source = f"""
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)  # it does not end by itself
with open({str(told)!r}, "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-m", "handler_core", command, "odd"],
        env=environment([plugin("odd", source)]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        giving_up = threading.Timer(100, process.kill)
        giving_up.start()
        child = int(told.read_text())
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
        giving_up.cancel()
    assert process.returncode == 130
    assert output.strip() == errors.strip() == ""
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_an_unknown_name(run: Run, command: str) -> None:
    done = run(command, "thredding")
    assert done.returncode == 1
    assert "no handler named 'thredding' is installed; did you mean threading?" in done.stderr
    assert done.stdout == ""

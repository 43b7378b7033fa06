"""Distributions for one test: modules and their metadata, in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

#: A complete handler class that declares only what it must.
COMPLETE = """
    import threading
    from handler_core import AsyncResult, Handler, hookimpl, poll_select

    class Complete(Handler):
        name = "complete"

        @hookimpl
        def start(self):
            super().start()

        @hookimpl
        def stop(self):
            super().stop()

        @hookimpl
        def select(self, rlist, wlist, xlist, timeout):
            return poll_select(rlist, wlist, xlist, timeout)

        @hookimpl
        def callback_object(self):
            return AsyncResult(self)

        @hookimpl
        def dispatch_callback(self, callback):
            super().dispatch_callback(callback)

        def spawn(self, func, *args, **kwargs):
            thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=True)
            thread.start()
            return thread
"""

#: The method of that class that queues a callback.
DISPATCH = "def dispatch_callback(self, callback):\n            super().dispatch_callback(callback)"

MARKED_DISPATCH = f"@hookimpl\n        {DISPATCH}"


def changed(old: str, new: str) -> str:
    """Return the complete class with one part replaced."""
    assert old in COMPLETE
    return COMPLETE.replace(old, new)


class Site:
    """A folder that is searched as ``site-packages`` is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def module(self, name: str, source: str) -> None:
        """Write a module."""
        self.modules.append(name)
        (self.folder / f"{name}.py").write_text(textwrap.dedent(source))

    def distribution(
        self,
        name: str,
        *,
        handlers: Mapping[str, str] | None = None,
        wrappers: Mapping[str, str] | None = None,
        version: str = "1.0",
        with_metadata: bool = True,
    ) -> None:
        """Write the metadata of an installed distribution with these entry points."""
        folder = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        if with_metadata:
            (folder / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
        lines = []
        for group, entries in (
            ("handler_core.handlers", handlers),
            ("handler_core.wrappers", wrappers),
        ):
            if entries:
                lines.append(f"[{group}]")
                lines += [f"{entry} = {value}" for entry, value in entries.items()]
        (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def plugin(self, name: str, source: str = COMPLETE, class_name: str = "Complete") -> None:
        """Write the distribution ``handler-core-<name>`` with the one handler ``<name>``."""
        module = f"plugin_{name}"
        self.module(module, source)
        self.distribution(f"handler-core-{name}", handlers={name: f"{module}:{class_name}"})

    def forget(self) -> None:
        """Drop the imported modules of this folder."""
        for name in self.modules:
            sys.modules.pop(name, None)

    def run(self, program: str, **environment: str) -> str:
        """Run a program in a new process that searches this folder. Return what it printed."""
        return run(program, PYTHONPATH=str(self.folder), **environment)


def run(program: str, **environment: str) -> str:
    """Run a program in a new process, which must succeed. Return what it printed."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("HANDLER_CORE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout

"""Runs pytest in a process that eventlet has patched first: ``python patched_pytest.py tests``."""

import runpy
import sys
import warnings

if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        import eventlet
    eventlet.monkey_patch()
    # These two plugins import modules that cannot be imported in a patched process.
    sys.argv[1:1] = ["-p", "no:anyio", "-p", "no:trio"]
    runpy.run_module("pytest", run_name="__main__")

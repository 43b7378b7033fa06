"""Compile the hot modules of handler-core: a build hook of hatch, and a command for development.

A wheel without compiled modules is the default, for any platform. With the hook enabled, the wheel
is for this platform and this Python, and has them::

    HATCH_BUILD_HOOK_ENABLE_CUSTOM=true python -m build --wheel

``python hatch_build.py`` compiles them in place, beside their source. It needs Cython, setuptools
and a C compiler.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    BuildHookInterface = Any
else:
    try:
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    except ImportError:  # compiled in place, where nothing is built
        BuildHookInterface = object

ROOT = Path(__file__).resolve().parent

_DIRECTIVES = {
    "annotation_typing": False,  # a wrong annotation may not change what the code does
    "auto_pickle": False,  # a result says itself why it cannot be pickled
    "binding": False,  # plain method descriptors, which CPython calls faster
    "embedsignature": True,
    "embedsignature.format": "clinic",  # what `inspect.signature` reads
    "nonecheck": True,  # an error instead of a crash
}


def sources() -> dict[str, str]:
    """Return the modules to compile and their files, without importing the package."""
    tree = ast.parse((ROOT / "handler_core/execution/_compiled.py").read_text())
    values = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    found = {}
    for group, suffix in (("HOT", ".py"), ("NATIVE", ".pyx")):
        if group == "HOT" or sys.platform == "linux":
            for module in ast.literal_eval(values[group]):
                found[module] = module.replace(".", "/") + suffix
    return found


def compile_into(target: Path) -> list[Path]:
    """Compile the hot modules; return the files that were made below ``target``."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    modules = sources()
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as made:
        here = os.getcwd()
        os.chdir(ROOT)  # so that a traceback names the source by its path in the package
        try:
            extensions = cythonize(
                [
                    Extension(
                        name,
                        [source],
                        extra_compile_args=["-g0"],
                        extra_link_args=["-Wl,-s"] if sys.platform == "linux" else [],
                    )
                    for name, source in modules.items()
                ],
                language_level=3,
                build_dir=work,
                quiet=True,
                compiler_directives=_DIRECTIVES,
            )
            command = build_ext(Distribution({"ext_modules": extensions}))
            command.build_lib = made
            command.build_temp = work
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(here)
        # All at once: modules of different builds do not fit each other.
        files = [command.get_ext_filename(name) for name in modules]
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(made, file), target / file)
        return [target / file for file in files]


class CompileHook(BuildHookInterface):
    """Puts the compiled modules into a wheel, or beside the source of an editable installation."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so to the builder. hatch calls this before it builds."""
        if self.target_name != "wheel":
            return
        if version == "editable":
            compile_into(ROOT)
            return
        self._folder = tempfile.TemporaryDirectory()
        target = Path(self._folder.name)
        for path in compile_into(target):
            build_data["force_include"][str(path)] = str(path.relative_to(target))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled. hatch calls this when the wheel is there."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


if __name__ == "__main__":
    for made in compile_into(ROOT):
        sys.stdout.write(f"{made.relative_to(ROOT)}: {made.stat().st_size:,} bytes\n")

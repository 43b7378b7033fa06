"""``handler-core new NAME``: write a complete plugin project, which works at once.

The command copies the files of the folder ``template`` and fills in the names.
"""

from __future__ import annotations

import datetime
import importlib.util
import keyword
import re
import shutil
import string
from importlib import resources
from pathlib import Path

import click
import importlib_metadata
from packaging.utils import canonicalize_name

from handler_core import list_handlers
from handler_core.cli.display import output, write
from handler_core.cli.versions import compatible_range
from handler_core.lookup._documentation import documentation
from handler_core.lookup._find_wrappers import list_wrappers
from handler_core.lookup._suggestions import models_on_offer

__all__ = ["new"]

# Each file of the project, and the file of the template that it is made from.
_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "LICENSE": "LICENSE.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/test.yml": "workflow.yml.txt",
    "{package}/__init__.py": "handler.py.txt",
    "tests/test_conformance.py": "test_conformance.py.txt",
    "tests/test_plugin.py": "test_plugin.py.txt",
}

# The lines of the template have room for this many characters.
_LONGEST_NAME = 26

# Names of handler-core's own distributions that are not models, and names that would give the
# template two classes of the same name.
_RESERVED = {"clients", "greenlet", "handler", "opentelemetry", "prometheus"}


@click.command(epilog="Example: handler-core new pool")
@click.argument("name")
def new(name: str) -> None:
    """Write a plugin project for a model NAME of your own.

    It goes into the new folder handler-core-NAME. The project works at once, on plain threads.
    Comments mark what to replace. The command never overwrites a file.
    """
    _check(name)
    names = _names(name)
    project = Path(names["distribution"])
    try:
        project.mkdir()
    except FileExistsError:
        raise click.ClickException(
            f"{project} exists already, and was not changed: "
            "take another name, or run this command in another folder"
        ) from None
    except OSError as error:
        raise click.ClickException(f"cannot make the folder {project}: {error}") from None
    try:
        _write(project, names)
    except OSError as error:
        shutil.rmtree(project, ignore_errors=True)
        raise click.ClickException(f"cannot write the files of {project}: {error}") from None
    write(
        output(),
        f"{project} is a plugin for the model {name}, and works at once. To test it:\n\n"
        f"  cd {project}\n"
        '  pip install -e ".[test]"\n'
        "  pytest\n\n"
        f"Then edit {names['package']}/__init__.py, where comments mark what to replace.",
    )


def _check(name: str) -> None:
    """Check that a new model can have this name.

    Raises:
        click.ClickException: the name is not valid, or it is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise click.ClickException(
            f"{name!r} cannot be the name of a model, because it becomes part of a package's name: "
            "use lower-case letters, digits and single underscores, and begin with a letter, as in "
            "my_model"
        )
    if len(name) > _LONGEST_NAME:
        raise click.ClickException(
            f"a name may have at most {_LONGEST_NAME} characters, and {name!r} has {len(name)}"
        )
    if name in _RESERVED or name in models_on_offer():
        raise click.ClickException(f"{name} is one of handler-core's own names: take another name")
    names = _names(name)
    taken = {
        canonicalize_name(each)
        for info in (*list_handlers(), *list_wrappers())
        for each in (info.distribution, f"handler-core-{info.name}")
    }
    if names["distribution"] in taken or _is_installed(names["distribution"]):
        raise click.ClickException(
            f"{name} is taken by a plugin that is installed here: take another name"
        )
    package = names["package"]
    if importlib.util.find_spec(package) is not None:
        raise click.ClickException(
            f"{name} is taken by the installed package {package}: take another name"
        )


def _is_installed(distribution: str) -> bool:
    try:
        importlib_metadata.distribution(distribution)
    except importlib_metadata.PackageNotFoundError:
        return False
    return True


def _names(name: str) -> dict[str, str]:
    """Return the values that the template is filled with, by their names in it."""
    title = "".join(part.capitalize() for part in name.split("_"))
    handler_class, timeout_class = f"Sequential{title}Handler", f"{title}TimeoutError"
    return {
        "name": name,
        "distribution": f"handler-core-{name.replace('_', '-')}",
        "package": f"handler_core_{name}",
        "handler_class": handler_class,
        "timeout_class": timeout_class,
        "exports": "".join(f'    "{each}",\n' for each in sorted((handler_class, timeout_class))),
        "range": compatible_range(importlib_metadata.version("handler-core")),
        "documentation": documentation(),
        "year": str(datetime.date.today().year),
    }


def _write(project: Path, names: dict[str, str]) -> None:
    template = resources.files(__package__) / "template"
    for path, source in _FILES.items():
        text = (template / source).read_text(encoding="utf-8")
        target = project / path.format_map(names)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(string.Template(text).substitute(names), encoding="utf-8")
    (project / names["package"] / "py.typed").touch()

"""``handler-core new NAME``: a complete plugin project, which works as it is written.

The files are those of the folder ``template``, with the names filled in.
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

from handler_core.cli.display import output, write
from handler_core.cli.versions import compatible_range
from handler_core.lookup._documentation import documentation
from handler_core.lookup._get_handler import list_handlers
from handler_core.lookup._suggestions import models_on_offer
from handler_core.lookup._wrappers import list_wrappers

__all__ = ["new"]

#: Where each file of the template goes.
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

# The lines of the template have room for it.
_LONGEST_NAME = 26

# What handler-core's own distributions are called that are no models, and what would give the
# template two classes of one name.
_RESERVED = {"greenlet", "handler", "opentelemetry", "prometheus"}


@click.command()
@click.argument("name")
def new(name: str) -> None:
    """Write a plugin project for the model NAME into the new folder handler-core-NAME.

    It works as it is, on plain threads; what to replace is marked. Nothing is ever overwritten.
    """
    _check(name)
    names = _names(name)
    project = Path(names["distribution"])
    try:
        project.mkdir()
    except FileExistsError:
        raise click.ClickException(
            f"{project} is here already, and is left as it is: "
            "take another name, or call this in another folder"
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
        f"{project} is a plugin for the model {name}, which works as it is. To go on:\n\n"
        f"  cd {project}\n"
        '  pip install -e ".[test]"\n'
        "  pytest\n\n"
        f"then see what {names['package']}/__init__.py says to replace.",
    )


def _check(name: str) -> None:
    """Refuse a name that cannot be that of a new model.

    Raises:
        click.ClickException: it is not valid, or it is taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise click.ClickException(
            f"{name!r} cannot be the name of a model: it becomes part of a package's name, so take "
            "lower-case letters, digits and single underscores, with a letter first, such as "
            "my_model"
        )
    if len(name) > _LONGEST_NAME:
        raise click.ClickException(
            f"a name may have {_LONGEST_NAME} characters, and {name!r} has {len(name)}"
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
            f"{name} is taken: there is a package {package} here; take another name"
        )


def _is_installed(distribution: str) -> bool:
    try:
        importlib_metadata.distribution(distribution)
    except importlib_metadata.PackageNotFoundError:
        return False
    return True


def _names(name: str) -> dict[str, str]:
    """Return what the template calls by which name."""
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

"""The command that installs what an error misses.

A release comes from the package index. In a core that pip has installed from a checkout, the
plugins come from there too: what is in the checkout may not be released yet. pip keeps where it
has installed from (:pep:`610`).
"""

from __future__ import annotations

from pathlib import Path

import importlib_metadata

__all__ = ["DISTRIBUTION", "install_line"]

#: The distribution of the core. Its extras are the models on offer.
DISTRIBUTION = "handler-core"


def install_line(extra: str) -> str:
    """Return the command that installs what ``handler-core[extra]`` does."""
    checkout = _checkout()
    if checkout is None:
        return f'pip install "{DISTRIBUTION}[{extra}]"'
    plugin = checkout / "plugins" / f"{DISTRIBUTION}-{extra}"
    if not plugin.is_dir():
        return f'pip install "{checkout}[{extra}]"'
    return "pip install " + " ".join(f'"{folder}"' for folder in [*_needed_by(plugin), plugin])


def _checkout() -> Path | None:
    """Return the folder that pip has installed the core from, if it has all distributions."""
    from urllib.parse import unquote, urlsplit  # only an error needs it

    try:
        origin = importlib_metadata.distribution(DISTRIBUTION).origin
    except importlib_metadata.PackageNotFoundError:  # it runs from its source
        return None
    if origin is None or not hasattr(origin, "dir_info"):
        return None
    folder = Path(unquote(urlsplit(origin.url).path))
    return folder if (folder / "plugins").is_dir() else None


def _needed_by(plugin: Path) -> list[Path]:
    """Return the folders of the other plugins that this one requires."""
    import tomllib  # only an error needs it

    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    return [
        folder
        for folder in sorted(plugin.parent.iterdir())
        if any(text.startswith(f"{folder.name}>") for text in project["dependencies"])
    ]

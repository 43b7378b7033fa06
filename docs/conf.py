"""How Sphinx builds the site. `make docs` runs it with warnings as errors."""

import importlib.metadata
import os
import re
import warnings
from typing import Any

# autodoc reads signatures and annotations, and compiled modules have no annotations.
os.environ["HANDLER_CORE_PURE"] = "1"

# autodoc imports the eventlet plugin. eventlet warns its users that it is deprecated.
warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")

project = "handler-core"
author = "The handler-core authors"
project_copyright = author
release = importlib.metadata.version("handler-core")
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.graphviz",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_parser",
    "sphinx_copybutton",
]
# `examples` holds programs. A page shows one with `literalinclude`.
exclude_patterns = ["_build", "examples"]

# Each box of a drawing has its own light background, so the dark theme shows it too.
graphviz_output_format = "svg"
html_static_path = ["_static"]
html_css_files = ["drawings.css"]

html_theme = "furo"
html_title = f"handler-core {release}"
html_theme_options = {
    "source_repository": "https://github.com/handler-core/handler-core",
    "source_branch": "main",
    "source_directory": "docs/",
}

# What a button copies of a console: the commands, without the prompt and without the output.
copybutton_prompt_text = "$ "

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Every reference in a docstring or a page must lead somewhere. Some types in signatures cannot: the
# types of other libraries, and the type variables and protocols of private modules.
nitpicky = True
nitpick_ignore_regex = [
    ("py:(class|obj|exc)", r"(?!handler_core).*"),
    ("py:class", r"handler_core\w*\.(\w+\.)*([A-Z]|_\w+(\.\w+)?)"),
]


def show_types_in_signatures(*args: Any) -> None:
    """Write the type of each attribute behind its name, and not into a field below it.

    napoleon makes the field. Sphinx calls this with the lines of a docstring, after napoleon.
    """
    lines: list[str] = args[-1]
    attribute = None
    for number, line in enumerate(lines):
        if line.startswith(".. attribute::"):
            attribute = number
        elif attribute is not None and (found := re.fullmatch(r"   :type: (.*)", line)):
            lines[number] = ""
            lines[attribute] += f"\n   :type: {found[1]}"
    lines[:] = "\n".join(lines).split("\n")


def setup(app: Any) -> None:
    """Extend Sphinx."""
    app.connect("autodoc-process-docstring", show_types_in_signatures, priority=900)

"""What PyInstaller adds to a program that imports handler_core."""

from __future__ import annotations

import logging

from importlib_metadata import EntryPoint
from PyInstaller.utils.hooks import collect_submodules, copy_metadata

from handler_core.lookup._entry_points import HANDLERS, WRAPPERS, entries_by_name
from handler_core.lookup._install_lines import DISTRIBUTION
from handler_core.lookup._plugin_origin import PluginOrigin, distribution_of


def is_of_the_program(module: str) -> bool:
    """Return False for the hooks for PyInstaller: no program needs them."""
    return "pyinstaller" not in (part.strip("_") for part in module.split("."))


def plugin_of(entry: EntryPoint) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the metadata and the modules of a plugin: nothing, if it cannot be packed."""
    module = entry.value.partition(":")[0]
    try:
        metadata = copy_metadata(distribution_of(entry)[0])
        return metadata, [module, *collect_submodules(module, is_of_the_program)]
    except (ModuleNotFoundError, RuntimeError) as error:
        # It has no metadata, it is in a zip archive, or importing it ends the process.
        logging.getLogger(__name__).warning("leaving out %s: %s", PluginOrigin(entry), error)
        return [], []


# The metadata of the core lists the models on offer. The error messages of a look-up show them.
datas = copy_metadata(DISTRIBUTION)

# A handler imports these two by their names. Some names of a wing too are imported when they are
# first used. The command line and the conformance suite are left out, because they need
# distributions that the program may not have.
hiddenimports = ["queue", "ssl"]
for wing in ("lookup", "green", "handler", "network", "execution"):
    hiddenimports += collect_submodules(f"handler_core.{wing}", is_of_the_program)

# As for a look-up, the first copy of a distribution counts, and what pip has left does not.
for group in (HANDLERS, WRAPPERS):
    for entries in entries_by_name(group).values():
        for each in entries:
            metadata, modules = plugin_of(each)
            datas += metadata
            hiddenimports += modules

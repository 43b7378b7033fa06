"""What PyInstaller adds to a program that uses the model eventlet."""

from PyInstaller.utils.hooks import collect_submodules

# eventlet chooses its hub by name, and imports the modules of dnspython in a patched form. Some of
# its packages are for libraries that need not be installed.
hiddenimports = [*collect_submodules("eventlet", on_error="ignore"), *collect_submodules("dns")]

"""The command line: ``handler-core COMMAND``, or ``python -m handler_core COMMAND``.

These two commands are public. All modules in here are internal, and any version may change them.

- ``commands`` is the group of all commands.
- ``demo``, ``bench``, ``check`` and ``new`` hold the command of the same name, and ``installed``
  holds ``list`` and ``info``.
- ``child`` runs the jobs of the commands in child processes.
- ``display`` shows text and progress, and ``versions`` computes ranges of versions.

The extra ``cli`` installs click and rich, which the commands need. The jobs do without them, so a
child process does not import them.
"""

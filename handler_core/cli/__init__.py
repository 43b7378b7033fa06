"""The command line; :mod:`handler_core.cli.commands` has its commands.

Only that module and those of the commands need the packages of the extra ``cli``. What a child
process runs (:mod:`handler_core.cli.worker`) does not import them.
"""

"""``handler-core list`` and ``handler-core info NAME``: what is installed, and whether it works.

``inspection`` imports each plugin in a child process, where ``description`` describes it.
``libraries`` reads the metadata of its distribution.
"""

"""Jobs, and how a command runs each of them on one plugin in a child process.

Models share no process, because some of them patch modules that others use.
"""

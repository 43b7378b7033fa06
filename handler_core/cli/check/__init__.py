"""``handler-core check NAME``: check whether a plugin is fit to be published.

``checks`` has the checks. A child process runs the quick part of the conformance suite in
``conformance``.
"""

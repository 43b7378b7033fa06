"""What PyInstaller adds to a program that uses the model asyncio, or another on this bridge."""

# handler_core imports them by the name of their sibling ``socket``: ``ssl`` for TLS.
hiddenimports = ["handler_core_greenlet.select", "handler_core_greenlet.ssl"]

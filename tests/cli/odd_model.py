"""The source of a model, as a plugin that a test installs, and what may be wrong with it."""

from __future__ import annotations

#: A model that is the threading one. A test may add to it.
MODEL = """
import handler_core_threading, os, sys, time
from handler_core import AsyncResult, hookimpl

class Handler(handler_core_threading.SequentialThreadingHandler):
    name = "odd"
"""

#: Added to it, each link is called twice.
LINKS_TWICE = """
    @hookimpl
    def callback_object(self):
        class Result(AsyncResult):
            def link(self, callback):
                super().link(callback)
                super().link(lambda result: callback(result))

            rawlink = link

        return Result(self)
"""

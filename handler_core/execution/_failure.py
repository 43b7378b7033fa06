"""An exception as the outcome of a result, with the traceback that it had when it was set."""

from __future__ import annotations

from types import TracebackType

__all__ = ["Failure"]


class Failure:
    """An exception, and its traceback without what results have added to it."""

    __slots__ = ("exception", "traceback")

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.traceback = _where_it_came_from(exception.__traceback__)


def _where_it_came_from(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback without what an earlier ``get`` of a result has added to it.

    When a connection is lost, a client stores one exception object in all pending results. Each
    ``get`` puts its own frames in front of the original ones, on that one object. The next result
    would take all of them for the origin. (pluggy's ``Result`` keeps the original traceback too,
    but stores each object once.)
    """
    entry = traceback
    while entry is not None:
        # Compiled code makes a new code object for each entry, and gives it the whole path of the
        # method as its name. So neither of the two tells enough.
        frame = entry.tb_frame
        if (
            frame.f_globals.get("__name__") == _MODULE_OF_GET
            and frame.f_code.co_name.rpartition(".")[2] == "get"
        ):
            traceback = entry.tb_next
        entry = entry.tb_next
    return traceback


_MODULE_OF_GET = "handler_core.execution._result_core"

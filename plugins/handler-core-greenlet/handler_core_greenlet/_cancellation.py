"""When the cancellation of a coroutine is raised in the function that a greenlet calls for it.

asyncio cancels a task by an exception where the task waits. A library of scopes such as anyio, and
so Starlette and FastAPI, raises it again at every wait, until the task has left the scope. A
function in blocking style waits as it cleans up: kazoo releases a lock by a request to the server.
If each of these waits raised the exception again, nothing would ever be released.

So the first cancellation is raised where the function waits. Further ones are kept while the
function handles that exception, in ``except``, ``finally`` or ``__exit__``. What was kept is raised
at the first wait after that, or by the call itself when the function has ended.
"""

from __future__ import annotations

import sys

__all__ = ["Cancellation"]


class Cancellation:
    """The cancellations of one call. Only the thread of the loop uses it.

    Args:
        shielded: whether all are kept until the function has ended.
    """

    __slots__ = ("_keeps", "kept", "raised", "shielded")

    def __init__(self, shielded: bool) -> None:
        #: The cancellations that were raised in the function and are not handled yet, each but the
        #: first in the midst of one before.
        self.raised: list[BaseException] = []
        #: The first that was kept.
        self.kept: BaseException | None = None
        self.shielded = self._keeps = shielded

    def keeps(self) -> bool:
        """Return True while the function may not be disturbed."""
        return self._keeps

    def keep(self, error: BaseException) -> None:
        """Raise it later, unless there is one already."""
        self.kept = self.kept or error

    def take_kept(self) -> BaseException | None:
        """Return what was kept, once."""
        kept, self.kept = self.kept, None
        return kept

    def is_raised(self, error: BaseException) -> None:
        """Keep further ones, until the function has handled ``error``, which is raised in it."""
        self.raised.append(error)
        self._keeps = True

    def before_wait(self) -> None:
        """Look how far the function is, which is about to wait. Call it in the greenlet.

        Raises:
            BaseException: what was kept, if the function has handled what was raised before.
        """
        while self.raised and not _is_handled(self.raised[-1]):
            self.raised.pop()
        if self.shielded or self.raised:
            return
        self._keeps = False
        kept = self.take_kept()
        if kept is not None:
            self.is_raised(kept)
            raise kept


def _is_handled(error: BaseException) -> bool:
    """Return True if the caller handles ``error``, or what was raised meanwhile."""
    handled, seen = sys.exception(), set[int]()
    while handled is not None and id(handled) not in seen:
        if handled is error:
            return True
        seen.add(id(handled))
        handled = handled.__context__
    return False

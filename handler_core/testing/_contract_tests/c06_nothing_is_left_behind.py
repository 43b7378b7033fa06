"""C6: nothing is left behind."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Callable

import pytest

from handler_core import Handler
from handler_core.testing._open_descriptors import open_descriptors
from handler_core.testing._suite import Suite, calling

__all__ = ["NothingIsLeftBehindTests"]

# Cycles after which caches and pools have their final size.
_WARM_UP = 50

# Cycles between two measurements. On a busy machine, with wrappers and tracemalloc, one takes 40
# milliseconds.
_ROUND = 200

# Rounds at the most. A real leak grows in each. A library may keep some objects for a while, but
# there is a round in which it drops them: eventlet and trio keep a thousand cancelled timers.
_ROUNDS = 10

# The interpreter caches up to 4,096 names that were looked up on classes. Wrapped handlers fill
# this cache, because pluggy makes a new string for each look-up of a marker. The cache belongs to
# no handler, so it must be cleared before memory is measured.
_clear_internal_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache


def _smallest(grown: Callable[[], int], enough: int, rounds: int = 1) -> int:
    """Return the smallest growth of so many rounds, and of more until one has less than enough."""
    sizes = [grown() for _ in range(rounds)]
    while min(sizes) >= enough and len(sizes) < _ROUNDS:
        sizes.append(grown())
    return min(sizes)


class NothingIsLeftBehindTests(Suite):
    """C6: a stopped handler leaves nothing behind."""

    def test_c6_a_stopped_handler_leaves_nothing_behind(self) -> None:
        """No thread, descriptor, exit function or object stays, after any number of handlers."""
        alive: list[weakref.ref[Handler]] = []

        def cycle() -> None:
            alive.append(weakref.ref(self.live_and_stop()))

        def left() -> tuple[int, int, int]:
            gc.collect()
            return threading.active_count(), open_descriptors(), atexit._ncallbacks()

        def grown() -> int:
            before = len(gc.get_objects())
            for _ in range(_ROUND):
                cycle()
            gc.collect()
            return len(gc.get_objects()) - before - _ROUND  # the references in `alive`

        for _ in range(_WARM_UP):
            cycle()
        threads, descriptors, registered = left()
        # As many as in the contract. An object in ten cycles is tolerated.
        objects = _smallest(grown, enough=_ROUND // 10, rounds=1000 // _ROUND)
        after = left()
        assert not [ref for ref in alive if ref() is not None], "handlers are kept alive"
        assert after[0] <= threads, "threads are left"
        assert after[1] <= descriptors, "descriptors are left"
        assert after[2] <= registered, "exit functions are left"
        assert objects < _ROUND // 10, f"{objects} objects are left of {_ROUND} handlers"

    def test_c6_a_stopped_handler_leaves_no_memory_behind(self) -> None:
        """Bytes and text count too, which the garbage collector does not track."""

        def grown() -> int:
            before = left()
            for _ in range(_ROUND):
                self.live_and_stop()
            return (left() - before) // _ROUND

        def left() -> int:
            gc.collect()
            _clear_internal_caches()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            for _ in range(_WARM_UP):
                self.live_and_stop()
            size = _smallest(grown, enough=100)
        finally:
            tracemalloc.stop()
        assert size < 100, f"{size} bytes a handler are left"

    @pytest.mark.parametrize(
        "what",
        ["never started", "something waits", "waited for start", "callback failed", "link failed"],
    )
    def test_c6_a_handler_is_freed(self, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is freed once nobody refers to it, whatever happened to it."""
        # pytest keeps each log record to the end of the test, and with it the handler.
        monkeypatch.setattr(logging.getLogger("handler_core"), "disabled", True)

        def live() -> weakref.ref[Handler]:
            handler = self.make_handler()
            if what in ("something waits", "waited for start"):
                self.dispatch(handler, handler.event_object)
            if what in ("waited for start", "callback failed", "link failed"):
                handler.start()
            if what in ("callback failed", "link failed"):
                self.queue(handler, what == "link failed", handler.event_object, "no arguments")
            handler.stop()
            return weakref.ref(handler)

        freed = live()
        gc.collect()
        assert freed() is None

    def live_and_stop(self) -> Handler:
        """Make a handler, use it for a moment, stop it, and return it."""
        handler = self.make_handler()
        for end in handler.create_socket_pair():
            end.close()
        handler.start()
        self.ended(handler.spawn(int))
        ran = handler.event_object()
        result = handler.async_result()
        result.link(calling(ran.set))
        self.dispatch(handler, result.set, 1)
        self.happens(ran)
        handler.stop()
        return handler

"""The loop that runs the items of a mailbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from handler_core.execution._logger import logger
from handler_core.execution._mailbox import Drain, InContext, Item, as_callback

if TYPE_CHECKING:
    from handler_core.execution._callback import CallbackLike
    from handler_core.execution._model import Model

__all__ = ["run_items"]


def run_items(
    model: Model,
    items: deque[Item],
    run_callback: Callable[[CallbackLike], object] | None,
    give_way: Callable[[], object] | None,
) -> Drain | None:
    """Run ``items`` up to a drain, which stays in place and is returned, or to the end.

    Without the lock. ``run_callback`` runs one callback, if wrappers are around it. ``give_way`` is
    called after each. What a callback raises is logged. An exception that asks the program or
    the worker to end is raised.
    """
    keeps_context, finish = model.keeps_context, model.finish_callback
    plain = not keeps_context and run_callback is None and finish is None
    while items:
        item: Any = items[0]
        kind = type(item)
        if kind is Drain:
            return cast(Drain, item)  # `_advance_drain` removes it when its work is done
        items.popleft()
        try:
            if plain:
                if kind is tuple:
                    item[0](item[1])
                else:
                    item.func(*item.args)
            elif keeps_context:
                _run_kept(item, run_callback, finish)
            elif run_callback is not None:
                run_callback(as_callback(item))
            else:
                assert finish is not None
                finish(item[0](item[1]) if kind is tuple else item.func(*item.args))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exception:
            if model.is_kill(exception):
                raise
            # This includes the timeout and kill exceptions of green threads, which are no
            # subclasses of `Exception`. A callback that lets its own timeout escape must not
            # end the worker.
            logger().exception("exception in callback %r", as_callback(item))
        if give_way is not None:
            give_way()
    return None


def _run_kept(
    item: Any,
    run_callback: Callable[[CallbackLike], object] | None,
    finish: Callable[[object], object] | None,
) -> None:
    """Run an item of a model that keeps contexts, in the context that was kept with it."""
    first, second = item
    if type(first) is InContext:
        context, func, args = first.context, first.link, (second,)
    else:
        context, func, args = first, second.func, second.args
    if run_callback is not None:
        context.run(run_callback, as_callback(item))
        return
    # Most callbacks have no arguments, and `run(func, *args)` alone would take twice as long.
    outcome = context.run(func, *args) if args else context.run(func)
    if outcome is not None and finish is not None:
        context.run(finish, outcome)

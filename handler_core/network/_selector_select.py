"""``select`` with the standard library's module ``selectors``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from handler_core.network._select_arguments import (
    FileObject,
    SelectLists,
    as_list,
    checked_timeout,
    fileobjs_to_fds,
)

if TYPE_CHECKING:
    import selectors

__all__ = ["selector_select"]


def selector_select(*args: Any, **kwargs: Any) -> Any:
    """Wait by means of the ``selectors`` module, in one of two forms.

    ``selector_select(rlist, wlist, xlist, timeout=None, selectors_module=selectors)`` is a
    drop-in for ``select.select`` without its limit on descriptors. It reports only what
    ``selectors`` can report: the third list stays empty, and a regular file, which ``epoll``
    does not watch, raises ``PermissionError``. A handler's ``select`` has neither limit.

    ``selector_select(selector, timeout)`` returns what is ready in a selector of the caller's:
    a list of ``(key, events)``.

    Raises:
        TypeError: something is no socket, or the timeout no number.
        ValueError: a descriptor or the timeout is negative.
        OSError: a descriptor is not open.
    """
    first = args[0] if args else kwargs.get("selector")
    if hasattr(first, "get_map"):
        return _select_with_selector(*args, **kwargs)
    return _select_lists(*args, **kwargs)


def _select_with_selector(
    selector: selectors.BaseSelector, timeout: float | None = None
) -> list[tuple[selectors.SelectorKey, int]]:
    return selector.select(checked_timeout(timeout))


def _select_lists(
    rlist: Sequence[FileObject],
    wlist: Sequence[FileObject],
    xlist: Sequence[FileObject],
    timeout: float | None = None,
    selectors_module: Any = None,
) -> SelectLists:
    if selectors_module is None:
        import selectors as selectors_module
    timeout = checked_timeout(timeout)
    readers, writers = as_list(rlist), as_list(wlist)
    read_fds, write_fds = fileobjs_to_fds(readers), fileobjs_to_fds(writers)
    fileobjs_to_fds(as_list(xlist))  # for its errors
    event_masks: dict[int, int] = {}
    for fd in read_fds:
        event_masks[fd] = selectors_module.EVENT_READ
    for fd in write_fds:
        event_masks[fd] = event_masks.get(fd, 0) | selectors_module.EVENT_WRITE
    with selectors_module.DefaultSelector() as selector:
        for fd, mask in event_masks.items():
            selector.register(fd, mask)
        events = {key.fd: mask for key, mask in selector.select(timeout)}
    return (
        [
            obj
            for fd, obj in zip(read_fds, readers, strict=True)
            if events.get(fd, 0) & selectors_module.EVENT_READ
        ],
        [
            obj
            for fd, obj in zip(write_fds, writers, strict=True)
            if events.get(fd, 0) & selectors_module.EVENT_WRITE
        ],
        [],
    )

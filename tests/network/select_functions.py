"""The functions that wait as ``select.select`` does. The same tests test all of them."""

from __future__ import annotations

from typing import Any

from handler_core import get_handler, poll_select, selector_select


def handler_select(*args: Any, **kwargs: Any) -> Any:
    return get_handler("threading").select(*args, **kwargs)


ALL = [poll_select, selector_select, handler_select]

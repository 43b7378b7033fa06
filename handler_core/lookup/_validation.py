"""Check a handler class or a wrapper against the hook specifications.

pluggy checks a plugin when it is registered. It finds an unknown hook and an unknown argument. It
does not find a missing hook. It drops arguments with defaults without a word. It does not look at
a method that lost its marker in an override.

A client's reconnecting loop calls the hooks much later, where a mistake is hard to find. So the
check comes before the first handler is made, and one message lists all mistakes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from handler_core.handler._handler import Handler
from handler_core.handler._hook_methods import HANDLER_HOOKS, HOOKS, marker_of
from handler_core.lookup._exceptions import HandlerValidationError
from handler_core.lookup._suggestions import close_matches

__all__ = ["check_constructor", "check_handler_class", "check_wrapper"]


def check_handler_class(candidate: Any, origin: object) -> type[Handler]:
    """Return ``candidate`` if it is a handler class that implements the five hooks.

    Args:
        candidate: the object that an entry point names.
        origin: the plugin and its distribution, for the message.

    Raises:
        HandlerValidationError: it is not. The message lists all mistakes.
    """
    if not isinstance(candidate, type):
        raise HandlerValidationError(
            f"{origin} is no handler class but {candidate!r}: "
            "its entry point must lead to a subclass of handler_core.Handler"
        )
    faults = _faults_of_class(candidate)
    if faults:
        raise HandlerValidationError(_report(origin, f"the class {candidate.__qualname__}", faults))
    checked: type[Handler] = candidate
    return checked


def check_constructor(cls: type, origin: object) -> None:
    """Check that a wrapper's class can be called without arguments.

    Raises:
        HandlerValidationError: it needs arguments.
    """
    needed = _required_arguments(cls)
    if needed:
        raise HandlerValidationError(
            f"{origin}: the class {cls.__qualname__} needs arguments: {', '.join(needed)}; "
            "make the wrapper, and pass that"
        )


def check_wrapper(wrapper: object, origin: object) -> None:
    """Check that all hooks of ``wrapper`` are wrappers, and that there is one.

    Raises:
        HandlerValidationError: ``wrapper`` has no hooks, or one of them is not marked
            ``wrapper=True``. The message lists all mistakes.
    """
    faults = []
    hooks = list(_marked(wrapper))
    if not hooks:
        faults.append("it has no hooks: mark its methods with @handler_core.hookimpl(wrapper=True)")
    for name, function, options in hooks:
        if name not in HOOKS:
            faults.append(_unknown(name))
        elif not options.get("wrapper"):
            faults.append(f"{name} is no wrapper: mark it with @hookimpl(wrapper=True)")
        elif options.get("tryfirst") or options.get("trylast"):
            faults.append(f"{name}: a wrapper's place is that in the list: drop tryfirst, trylast")
        elif not inspect.isgeneratorfunction(function):
            faults.append(f"{name} is no wrapper: it must yield once, to what it wraps")
        else:
            parameters = _parameters(function)
            known = ("handler", *HOOKS[name])
            unknown = [each.name for each in parameters if each.name not in known]
            if unknown:
                faults.append(f"{name} has unknown arguments: {', '.join(unknown)}")
            # pluggy passes arguments by position, and passes none to parameters with a default.
            for each in parameters:
                if each.kind is each.KEYWORD_ONLY:
                    faults.append(f"{name}: {each.name} is keyword-only: drop the star")
                elif each.default is not each.empty:
                    faults.append(f"{name}: {each.name} has a default: drop it")
    if faults:
        raise HandlerValidationError(_report(origin, f"{wrapper!r}", faults))


def _report(origin: object, subject: str, faults: Sequence[str]) -> str:
    lines = "".join(f"\n  - {fault}" for fault in faults)
    return f"{origin}: {subject} does not follow handler_core.hookspecs.HandlerSpec:{lines}"


@functools.lru_cache
def _faults_of_class(cls: type) -> tuple[str, ...]:
    faults = []
    if not issubclass(cls, Handler):
        faults.append("it is no subclass of handler_core.Handler")
    faults += [fault for name in HANDLER_HOOKS for fault in _faults_of_hook(cls, name)]
    for name, _, options in _marked(cls):
        if name == "run_callback":
            faults.append("the hook run_callback is for wrappers only")
        elif name not in HOOKS and not options.get("optionalhook"):
            faults.append(_unknown(name))
    name = getattr(cls, "name", "")
    if not isinstance(name, str):
        faults.append(f"its name is a string, not {name!r}")
    needed = _required_arguments(cls)
    if needed:
        faults.append(f"its __init__ needs arguments: {', '.join(needed)} (it is called with none)")
    return tuple(faults)


def _required_arguments(cls: type) -> list[str]:
    """Return the arguments that a call of the class requires."""
    parameters = inspect.signature(cls).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _faults_of_hook(cls: type, name: str) -> Iterator[str]:
    """Yield the mistakes in one of the five hooks of a handler class."""
    owner = next((base for base in cls.__mro__ if name in vars(base)), None)
    function = None if owner is None else vars(owner)[name]
    if owner is None or issubclass(Handler, owner) or function is None:
        yield f"missing hook {name}: define {_definition(name)} and mark it with @hookimpl"
        return
    if not inspect.isfunction(function):
        yield f"{name} is no plain method: define {_definition(name)}"
        return
    options = marker_of(function)
    if options is None:
        yield f"{owner.__qualname__}.{name} is not marked: put @hookimpl above it"
        return
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{name} is marked as a wrapper: a handler implements it, with a plain @hookimpl"
    if options.get("specname") not in (None, name):
        yield f"{name} is marked as the hook {options['specname']}: drop the specname"
    original = inspect.unwrap(function)
    if inspect.iscoroutinefunction(original) or inspect.isasyncgenfunction(original):
        yield f"{name} is a coroutine function: it is called, and returns, without await"
    elif inspect.isgeneratorfunction(original):
        yield f"{name} is a generator function: it must do its work when it is called"
    yield from _faults_of_signature(original, name)


def _faults_of_signature(function: Any, name: str) -> Iterator[str]:
    parameters = _parameters(function)
    wanted = HOOKS[name]
    names = tuple(parameter.name for parameter in parameters)
    if names in (wanted, ("handler", *wanted)):
        for parameter in parameters:
            if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
                yield f"{name}: {parameter.name} is {parameter.kind.description}: {_write(name)}"
            if parameter.default is not inspect.Parameter.empty:
                yield f"{name}: {parameter.name} has a default: {_write(name)}"
        return
    if sorted(names) in (sorted(wanted), sorted(("handler", *wanted))):
        yield f"{name}: its arguments are in another order: {_write(name)}"
        return
    for misspelt in names:
        if misspelt not in ("handler", *wanted):
            close = close_matches(misspelt, wanted, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            yield f"{name}: unknown argument {misspelt}{hint}: {_write(name)}"
    missing = [wanted_name for wanted_name in wanted if wanted_name not in names]
    if missing:
        yield f"{name}: missing arguments {', '.join(missing)}: {_write(name)}"


def _parameters(function: Any) -> list[inspect.Parameter]:
    """Return a function's parameters, without the ``self`` of a function found on a class."""
    parameters = list(inspect.signature(function).parameters.values())
    is_bound = inspect.ismethod(function)
    return parameters if is_bound else parameters[1:]


def _marked(plugin: object) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield each attribute marked with ``@hookimpl``: hook name, function and options."""
    for name in dir(plugin):
        # Look for the marker first, without `getattr`. That would run properties, and import
        # the attributes that are imported on demand.
        if marker_of(inspect.getattr_static(plugin, name, None)) is None:
            continue
        function = getattr(plugin, name, None)
        options = marker_of(function) if inspect.isroutine(function) else None
        if options is not None:
            yield options.get("specname") or name, function, options


def _definition(name: str) -> str:
    return f"{name}({', '.join(('self', *HOOKS[name]))})"


def _write(name: str) -> str:
    return f"write def {_definition(name)}"


def _unknown(name: str) -> str:
    close = close_matches(name, HOOKS, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(HOOKS)}"
    return f"unknown hook {name}: {hint}"

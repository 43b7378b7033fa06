"""Results are made without a tuple of arguments, compiled.

CPython calls a class with a tuple, which ``__new__`` and ``__init__`` take apart. A class may have a
C function (``tp_vectorcall``) that takes the arguments as they come. A subclass does not inherit it,
because it may have an ``__init__`` of its own. So every subclass of ``AsyncResult`` is given this
one. The function looks at each call whether ``__new__`` and ``__init__`` are those of ``ResultCore``.
If they are not, or there is not exactly one argument, it calls the class in the ordinary way.

This module exists in a compiled build for Linux only.
"""

from cpython.object cimport PyObject, PyTypeObject

from handler_core.execution._result_core cimport ResultCore

__all__ = ["construct_quickly"]

ctypedef PyObject *PyObjectPointer

cdef extern from "Python.h":
    ctypedef PyObject *(*Constructor "vectorcallfunc")(
        PyObject *cls, const PyObjectPointer *arguments, size_t flags, PyObject *names
    )
    ctypedef PyObject *(*newfunc)(PyTypeObject *cls, PyObject *arguments, PyObject *keywords)
    struct Class "_typeobject":
        newfunc tp_new
        void *tp_init
        Constructor tp_vectorcall
    PyObject *call_class "PyType_Type.tp_call"(
        PyObject *cls, PyObject *arguments, PyObject *keywords
    )
    Py_ssize_t PyVectorcall_NARGS(size_t flags)

cdef tuple _NO_ARGUMENTS = ()


def construct_quickly(cls):
    """Have the class make its objects by the short way.

    Args:
        cls: a subclass of ``ResultCore``.
    """
    if not isinstance(cls, type) or not issubclass(cls, ResultCore):
        raise TypeError(f"{cls!r} is not a class of results")
    (<Class *><PyObject *>cls).tp_vectorcall = <Constructor>_construct


# It returns what CPython has returned, with an exception too. So the traceback of an `__init__` that
# raises has no line of this module.
cdef PyObject *_construct(
    PyObject *cls, const PyObjectPointer *arguments, size_t flags, PyObject *names
) except? NULL:
    cdef Class *this = <Class *>cls
    cdef Class *core = <Class *><PyObject *>ResultCore
    cdef Py_ssize_t count = PyVectorcall_NARGS(flags)
    cdef PyObject *result
    if (
        count == 1
        and names is NULL
        and arguments[0] is not <PyObject *>None
        and this.tp_new == core.tp_new
        and this.tp_init == core.tp_init
    ):
        result = this.tp_new(<PyTypeObject *>cls, <PyObject *>_NO_ARGUMENTS, NULL)
        if result is not NULL:
            (<ResultCore>result)._handler = <object>arguments[0]
        return result
    cdef tuple positional = tuple([<object>arguments[index] for index in range(count)])
    if names is NULL:
        return call_class(cls, <PyObject *>positional, NULL)
    cdef dict keywords = {
        name: <object>arguments[count + index] for index, name in enumerate(<tuple><object>names)
    }
    return call_class(cls, <PyObject *>positional, <PyObject *>keywords)

"""Results are made without a tuple of arguments, compiled.

CPython calls a class with a tuple, which ``__new__`` and ``__init__`` take apart. A class may have a
C function (``tp_vectorcall``) that takes the arguments as they come. A subclass does not inherit it,
because it may have an ``__init__`` of its own. So a subclass of ``AsyncResult`` that has none is given
this one. A program may replace ``__init__`` later. So the function looks at each call whether
``__new__`` and ``__init__`` are those of ``ResultCore``. If they are not, or there is not exactly one
argument, it calls the class in the ordinary way.

This module exists in a compiled build for Linux only.
"""

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM

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
    int Py_EnterRecursiveCall(const char *where)
    void Py_LeaveRecursiveCall()

cdef tuple _NO_ARGUMENTS = ()


def construct_quickly(cls):
    """Have the class make its objects by the short way.

    A class with a ``__new__`` or an ``__init__`` of its own is left as it is.

    Args:
        cls: a subclass of ``ResultCore``.
    """
    if not isinstance(cls, type) or not issubclass(cls, ResultCore):
        raise TypeError(f"{cls!r} is not a class of results")
    cdef Class *this = <Class *><PyObject *>cls
    if _inherits(this):
        this.tp_vectorcall = <Constructor>_construct


cdef bint _inherits(Class *cls) noexcept:
    """Return True if its ``__new__`` and ``__init__`` are those of ``ResultCore``."""
    cdef Class *core = <Class *><PyObject *>ResultCore
    return cls.tp_new == core.tp_new and cls.tp_init == core.tp_init


# It returns what CPython has returned, with an exception too. So the traceback of an `__init__` that
# raises has no line of this module.
cdef PyObject *_construct(
    PyObject *cls, const PyObjectPointer *arguments, size_t flags, PyObject *names
) except? NULL:
    cdef Class *this = <Class *>cls
    cdef Py_ssize_t count = PyVectorcall_NARGS(flags)
    cdef PyObject *result
    if count == 1 and names is NULL and arguments[0] is not <PyObject *>None and _inherits(this):
        result = this.tp_new(<PyTypeObject *>cls, <PyObject *>_NO_ARGUMENTS, NULL)
        if result is not NULL:
            (<ResultCore>result)._handler = <object>arguments[0]
        return result
    cdef tuple positional = PyTuple_New(count)
    cdef Py_ssize_t index
    for index in range(count):
        Py_INCREF(<object>arguments[index])
        PyTuple_SET_ITEM(positional, index, <object>arguments[index])
    cdef dict keywords = None
    if names is not NULL:
        keywords = {}
        for index, name in enumerate(<tuple><object>names, count):
            keywords[name] = <object>arguments[index]
    # CPython checks the depth where it makes the tuple, and nowhere else.
    if Py_EnterRecursiveCall(" while calling a Python object"):
        return NULL
    result = call_class(cls, <PyObject *>positional, NULL if keywords is None else <PyObject *>keywords)
    Py_LeaveRecursiveCall()
    return result

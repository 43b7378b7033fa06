# What the compiled module stores as C attributes. The Python source is beside this file.

cimport cython
from handler_core.execution._failure cimport Failure
from handler_core.execution._mailbox cimport InContext, Mailbox, Mailroom

cdef bint _COMPILED
cdef list _NO_ITEMS
cdef object _PENDING
cdef object _RUNNING
cdef object _STORED
cdef class ResultCore:
    cdef object __weakref__
    cdef public object _handler
    cdef public object _outcome
    cdef public list _links
    cdef public list _waiters

@cython.locals(
    handler=Mailroom, mailbox=Mailbox, links=list, first=tuple, rest=list, waiters=list
)
cdef bint _settle_at_once(ResultCore result, object outcome) except -1

@cython.locals(mailroom=Mailroom)
cdef bint _works_at_once(object handler) except -1

@cython.locals(index=Py_ssize_t, item=tuple)
cdef bint _has_only(ResultCore result, list links, tuple first, list rest) noexcept

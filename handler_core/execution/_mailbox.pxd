# What the compiled module stores as C attributes. The Python source is beside this file.

cdef class Mailbox:
    cdef public object items
    cdef public object append
    cdef public bint keeps_context
    cdef public bint busy
    cdef public object worker
    cdef public object waiter

cdef class Mailroom:
    cdef public Mailbox _callbacks
    cdef public Mailbox _completions
    cdef public object _lock
    cdef public object _state
    cdef public bint _unstarted

cdef class InContext:
    cdef public object link
    cdef public object context

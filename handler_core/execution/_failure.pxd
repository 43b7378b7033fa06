# What the compiled module stores as C attributes. The Python source is beside this file.

cimport cython

cdef object _where_it_came_from(object traceback)

@cython.final
cdef class Failure:
    cdef readonly object exception
    cdef readonly object traceback

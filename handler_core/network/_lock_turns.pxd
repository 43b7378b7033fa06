# What the compiled module stores and calls as C. The Python source is beside this file.

cdef double _given_away_at, _free_at
cdef long _streak

cpdef bint may_keep_lock() except -1
cpdef lock_was_free()
cpdef note_wait(double seconds)

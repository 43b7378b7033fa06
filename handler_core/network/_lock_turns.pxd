# What the compiled module stores and calls as C. The Python source is beside this file.

cdef double _given_away_at, _free_at
cdef long _streak

cpdef bint may_keep_lock() except -1
cpdef share_lock()
cpdef lock_was_free()
cdef bint _is_turn_over() except -1
cpdef note_wait(double seconds)

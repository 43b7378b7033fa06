# What the compiled module calls as C functions. The Python source is beside this file.

cdef object _run_kept(object item, object run_callback, object finish)

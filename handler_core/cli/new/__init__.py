"""``handler-core new NAME``: write a complete plugin project, which works at once.

The folder ``template`` holds the files of the project.
"""

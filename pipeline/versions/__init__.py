"""Versions on disk.

store       numbered, immutable folders
rows        the columns of a row, its index, the spans of its phrases; data_files: the file of each row
diff        changes since the last version, and the number that they make the next one
manifest    the description of a version for machines; provenance: the runs that made its labels
export      training views
leaks       what must not get out
"""

"""What a version is on disk.

store       numbered, immutable folders
rows        the columns of a row, where its phrases stand; data_files: which row goes into which file
diff        what changed since the last version, and the number that this makes the next one
manifest    all that a version says of itself; provenance: where its labels come from
export      training views
leaks       what must not get out
"""

"""The Python interface, for notebooks and scripts: what `from pipeline import ...` and `import labelmill` give.

`jobs` (load, run, look at), `rows` (labels as DataFrame, as data set), `articles` (label a list, with no job file),
`evaluation`, `which` (which published version some rows are).  A job is given as its file's path, a JobConfig or a Workspace
alike.
"""

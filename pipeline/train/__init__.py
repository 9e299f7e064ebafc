"""Students: models that are trained on a version's labels, judged on its eval rows, and may then label the rest.

`examples` reads a version, `seen_rows` tells what is like it, `identity` says what a student comes of; `training` makes it in its
`workplace` (and goes on after a kill), `scores` and `figures` judge, `curve` tells what more labels are worth.  A student itself is
a plugin in `students/`, with its parts in `ranking/` and `generation/`.
"""

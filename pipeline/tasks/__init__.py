"""What a label is: one file a task.

A module holds `Options` (it validates the job file's `clean` section) and `Task(options)` with `variables()` (what it
offers to a prompt beside the article's fields) and `parse(reply, article) -> Label`.  Pure: no disk, no network.
"""

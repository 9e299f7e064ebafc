"""What a label is: one file a task.

A module holds `Options` (it validates the job file's `clean` section) and `Task(options, count)` with the static method
`variables(options)` (what it offers to a prompt beside the article's fields) and `parse(reply, article) -> Label`;
`count` counts the tokens of texts.  Pure: no disk, no network.
"""

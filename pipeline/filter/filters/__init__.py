"""What may stay: one file a filter.

A module holds `Options` and `Filter(options)` with `columns` (an Arrow schema of what it adds to a row) and
`decide(articles: pa.Table) -> (reasons, columns)`: a reason for each row, None where it may stay, and the added
columns.  A filter that must look across shards also has `fold(columns: pa.Table) -> {row: (reason, detail)}` over `id`
and its own columns of all rows that are still alive, in source order; its columns stay out of `filtered/`.
"""

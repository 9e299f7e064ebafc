"""What may stay: one file a filter.

A filter is a module with `Options`, a `FilterOptions`, and `Filter`, a `pipeline.core.contracts.Filter`.  It needs

- `decide(articles)`: a reason for each row, None where it may stay, and the values of the columns that it adds;
- `columns`, an Arrow schema, where it adds any.

One that must look across shards has `fold` too; its columns are what `fold` sees, and stay out of `filtered/`.
"""

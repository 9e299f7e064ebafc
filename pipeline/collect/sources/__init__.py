"""Sources of articles, one file a kind.

A source is a module with `Options`, a `SourceOptions`, and `Source`, a `pipeline.core.contracts.Source`.  It needs

- `units()`: what it reads as a whole, in order, each with a digest that changes when the content does;
- `read(unit)`: a `RawRow` for each record, a `BadRow` for what can be no article.

It maps no columns, joins and cleans no text: the collect stage does, alike for all.  One that fetches has `prepare` and
`close`, one that must know that its rows are stored `finished`, one that guesses encodings `notes`.
"""

"""Where articles come from: one file a kind of source.

A module holds `Options` and `Source(options, folder, digest_of)` with `units() -> Iterable[Unit]` (cheap, in source
order) and `read(unit) -> Iterator[RawRow | BadRow]`.  A source never maps columns, joins or cleans text: the collect
stage does, alike for all.

Optionally `prepare(state, progress, fetch)` brings what it reads up to date first, with files of its own in folder `state` (a
crawl), or with `fetch` false only opens what is there; `close()` ends what it holds open; `finished()` hears that all its rows
are stored.
"""

"""Who answers: one file a provider.

A module holds `Options` (it validates `label.parameters`) and `Provider(label, options)` with

- `identity -> dict`: everything beside the messages that changes the answer; part of every ledger key; no secrets;
- `uses_prompt: bool`: whether requests carry rendered messages, or only the article;
- either `async ask(request) -> Reply` with `async open()` / `async close()` (many in flight at once; raises
  `RequestFailed`), or `answer(requests) -> list[Reply]` (a batch computed in this process);
- optionally `fit(articles) -> bytes` and `load(state)`: corpus statistics, fitted once for a job and kept.
"""

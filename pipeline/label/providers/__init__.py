"""Who answers: one file a provider.

A module holds `Options` (it validates `label.parameters`) and `Provider(label, options)` with

- `identity -> dict`: everything beside the messages that changes the answer; part of every ledger key; no secrets;
- `uses_prompt: bool`: whether requests carry rendered messages, or only the article;
- either `async ask(request) -> Reply` with `async open()` / `async close()` (many in flight at once; raises
  `RequestFailed`), or `answer(requests) -> list[Reply]` (a batch computed in this process);
- with `ask`, optionally `pool: int`: it computes in this process and batches by itself, so it is given that many requests at once,
  unpaced and free of charge; `stop()`: begin nothing more; `repeats`: asked again it says the same; `ruler`: counts its tokens;
- optionally `identify(base, memory, refresh)`: finds out which weights answer, and remembers it in the job's file `memory`;
- optionally `fit(articles) -> bytes` and `load(state)`: corpus statistics, fitted once for a job and kept.
"""

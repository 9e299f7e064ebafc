"""Who answers: one file a provider.

A provider is a module with `Options`, which checks `label.parameters`, and `Provider`, a `pipeline.core.contracts.Provider`.
It needs

- `identity`: everything beside the messages that changes the answer; part of every ledger key; no secrets;
- `ask(request)` (async; many in flight at once), or `answer(requests)` (a batch, computed in this process).

`model` gives it a price, `max_output_tokens` a budget, `models()` a check before the first paid request, `context_tokens` and
`ruler` prompts that fit, `advertised` the endpoint's limits, `remember` what an endpoint takes; `pool`, `stop`, `repeats` and
`identify` are for a model in this process, `fit` and `load` for statistics over the job's articles.
"""

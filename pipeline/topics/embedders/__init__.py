"""What turns articles into vectors: one file an embedder.

An embedder is a module with `Options` and `Embedder`, a `pipeline.core.contracts.Embedder`.  It needs

- `identity`: what changes a vector beside the text;
- `embed(texts)`: a float32 row for each text.

One that must look at the job's articles first has `fit` and `load` too.
"""

"""Where map steps run.  A map step is a pure function from an input shard's name to an `Output`; `kinds` has an engine a file."""

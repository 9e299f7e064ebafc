"""Engines, which run map steps.  A map step is a pure function from an input shard's name to an `Output`."""

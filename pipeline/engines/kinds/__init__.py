"""Engines: one file each.

An engine is a module with `Options`, an `EngineOptions`, and `Engine`, an `Engine` of `pipeline.core.engine`.  It needs `map`,
which runs tasks wherever it likes; `engines.worker` runs one in a process of somebody else's pool.
"""

"""Asking: the one place where money is spent.  `engine` asks, `ledger` remembers, `limiter` paces, `prices` adds up."""

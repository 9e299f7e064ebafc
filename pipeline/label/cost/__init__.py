"""What requests cost: `prices` of a reply, `cost_bound` (the most that a request can cost, which a budget reserves), `quote` (of a
job)."""

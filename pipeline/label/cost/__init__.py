"""What requests cost: `prices` of a reply, `budget` (the most that one can cost), `quote` (what a job will cost)."""

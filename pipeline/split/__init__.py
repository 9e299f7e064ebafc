"""Train or eval, for good: `minhash` makes a text comparable, `groups` finds what is alike, `assignment` decides and remembers."""

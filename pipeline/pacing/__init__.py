"""How fast to ask: `gate` lets requests through, by a `window` (how many in flight) and two `pace`s (how many a second,
how many tokens a second).  Times are seconds of the event loop's clock, passed in, so that tests can make their own."""

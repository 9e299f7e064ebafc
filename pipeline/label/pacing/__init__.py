"""How fast to ask: `admission` lets requests through in turn (`waiting_line`), by a `concurrency_limiter` (how many in flight)
and two `rate_limiter`s (how many a second, how many tokens a second).

Times are seconds of the event loop's clock, passed in, so that tests can make their own.
"""

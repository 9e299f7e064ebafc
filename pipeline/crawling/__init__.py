"""Fetching pages from the web, politely and guarded, and making articles of them.

    addresses   URLs: normal form, host, what may be crawled; traps: what leads on without an end
    guard       which network addresses may be connected to
    fetching    one GET: redirects, limits on size and time; decoding, answers: what came
    robots      robots.txt (RFC 9309), marks on pages, TDM reservations; permissions: asked for once an origin
    discovery   feeds, sitemaps, links of a page; xml_records, dates: how they are read
    frontier    every URL's state (urls), and the bodies, in one SQLite file; runs: what a run begins with
    crawler     the loop: whose turn it is; hosts: a pace for each; asking: one request; outcomes: what an answer comes to;
                outbox: on the way to the disk
    pages       a page's bytes -> an article's fields; charsets: in which encoding
    workers     extraction in processes that may be killed
    settling    whether a new body is a new state of its page
    rows        a page and what was extracted of it -> a row
    boilerplate what is no article, at its head and tail, by named rules

Pure but for `fetching`, `permissions`, `asking`, `frontier`, `runs`, `crawler`, `outbox`, `workers` and `settling`.
"""

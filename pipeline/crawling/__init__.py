"""Fetching pages from the web, politely and guarded, and making articles of them.

    addresses   URLs: normal form, host, what may be crawled, traps
    guard       which network addresses may be connected to
    fetching    one GET: redirects, limits on size and time; decoding, answers: what came
    robots      robots.txt (RFC 9309), marks on pages, TDM reservations; permissions: asked for once an origin
    discovery   feeds, sitemaps, links of a page; xml_records, dates: how they are read
    frontier    every URL's state, and the bodies, in one SQLite file
    crawler     the loop: whose turn it is, a pace for each host; outcomes: what an answer comes to
    pages       a page's bytes -> an article's fields; charsets: in which encoding
    workers     extraction in processes that may be killed
    boilerplate what is no article, at its head and tail, by named rules

Pure but for `fetching`, `permissions`, `frontier`, `crawler` and `workers`.
"""

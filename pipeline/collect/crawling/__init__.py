"""Fetching pages from the web, politely and guarded.

    types            rows: a URL as it was found, what became of it, a page as it is kept
    ssrf_guard       which network addresses may be connected to
    fetching         one GET: redirects, limits on size and time; content_encoding, response: what came
    robots           robots.txt (RFC 9309), marks on pages, TDM reservations; robots_cache: asked for once an origin
    discovery        feeds, sitemaps, links of a page; xml_records, dates: how they are read; traps: what has no end
    frontier         every URL's state, and the bodies, in one SQLite file; recrawl: what a run begins with
    crawler          the loop: whose turn it is; host_pace: a pace for each; request: one URL; outcomes: what an answer comes to;
                     commit_queue: on the way to the disk; memory_budget: for long bodies
    revalidate       whether a new body is a new state of its page
    to_row           a page and what was extracted of it -> a row

Pure but for `fetching`, `robots_cache`, `request`, `frontier`, `recrawl`, `crawler`, `commit_queue` and `revalidate`.
"""

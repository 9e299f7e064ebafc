"""A polite crawler that reaches public addresses only.

    types            rows: a URL as it was discovered and as it is queued, its outcome, a page as it is stored
    ssrf_guard       which network addresses may be connected to
    fetching         one GET: redirects, limits on size and time; content_encoding, response: its body, its head, failures
    robots           robots.txt (RFC 9309), marks on pages, TDM reservations; robots_cache: fetched once an origin
    discovery        feeds, sitemaps, links of a page; xml_records, dates: how they are read; traps: what has no end
    frontier         every URL's state, and the bodies, in one SQLite file; recrawl: the state that a run begins with
    crawler          the loop; host_pace: when a host may be asked; request: one URL; outcomes: an answer -> its outcome;
                     commit_queue: outcomes on their way to the disk; memory_budget: for long bodies
    revalidate       is a new body a new state of its page?
    to_row           a stored page and what was extracted of it -> a row

Pure but for `fetching`, `robots_cache`, `request`, `frontier`, `recrawl`, `crawler`, `commit_queue` and `revalidate`.
"""

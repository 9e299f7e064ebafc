"""The page on which people judge labels: `app` serves it to those whom `access` lets in, `desk` hands out and takes in.

reviewer_cards  what a reviewer may see of an article now
intake          what the page sends, checked; rules: which judgements are not taken
log_index       the log of judgements by article, in memory
static          the page itself, in `templates`
"""

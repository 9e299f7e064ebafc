"""The collect stage: from sources to articles.

stage       brings `articles/` up to date; ids are unique when it ends
units       one unit of a source: its record, its shards
dropping    rows that leave a built unit, or come back
to_article  a source's record -> an article
urls        one normal form for each URL, its host, what may be crawled
sources     where articles come from, one file a kind
reading     files of every form, databases -> records
html        a page's bytes -> an article's fields
crawling    pages from the web, politely and guarded
"""

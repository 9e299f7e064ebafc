"""From a page's bytes to an article's fields.

extract            the text, the title, the date and what else a page says of itself, by trafilatura
charsets           in which encoding a page is
boilerplate        what is no article, at its head and tail; boilerplate_rules: by named rules
workers            extraction in processes that may be killed
"""

"""From a page's bytes to an article's fields.

extract            the text, the title, the date and what else a page says of itself, by trafilatura
charsets           the encoding of a page
boilerplate        strips bylines, rights, invitations from head and tail; boilerplate_rules: the named rules
containers         bodies of several pieces, made one before extraction
no_article         pages that are none although they have text: lists, "not found", walls
workers            extraction in processes that may be killed
"""

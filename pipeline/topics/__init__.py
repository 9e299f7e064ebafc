"""topics: filtered articles -> topics that keep their ids, with words, names and a map.

Embed, find neighbours, group, describe, name; each a module here, each step repeatable: rows in digest order, seeds fixed, exact
integer products.
"""

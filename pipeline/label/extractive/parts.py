"""Parts of speech, as far as they tell where a phrase begins and ends."""

# Plain integers: they are compared for every word.
BREAK, DETERMINER, PREPOSITION, OPENS, BE, LINK = range(6)  # of closed classes
VERB, VERB_OR_NOUN, NOUN_OR_VERB, PARTICIPLE, ADJECTIVE, LEADING, NOUN, NUMBER, LETTER, UNKNOWN = range(6, 16)

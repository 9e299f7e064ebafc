"""Measures of labels: against those that people chose (`keyphrases`, sets of phrases; `rouge`; `classes`, one label), of two
people's agreement (`agreement`), and of how sure either is (`intervals`); `matching` pairs two sets."""

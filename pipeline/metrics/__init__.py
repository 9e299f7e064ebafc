"""How good labels are: against those that people chose (`keyphrases`, sets of phrases; `rouge`; `classes`, one label), by what two
people say of them (`agreement`), and how sure that is (`intervals`); `matching` pairs two sets."""

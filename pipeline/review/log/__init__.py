"""The log of reviews: `judgements` (the records), `verdicts` (what is in force for a text), `blinding` (who has seen what)."""

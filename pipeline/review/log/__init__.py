"""What people said: `judgements` is the log, `verdicts` what it says of a text now, `blinding` who had seen what by then."""

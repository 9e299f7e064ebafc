"""What people said: `judgements` is the log, `verdicts` what it says of a text now."""

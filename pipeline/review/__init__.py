"""What people say of labels: `judgements` is the log, `verdicts` how they change labels, `formats` the files people fill in."""

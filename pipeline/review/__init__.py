"""What people say of labels: `verdicts` is the log and how it changes a label, `sheet` the file that people fill in."""

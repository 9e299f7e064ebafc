"""The clean stage, raw replies to labels: `stage` runs it, `cleaner` reads a reply, `tasks` define what a label is."""

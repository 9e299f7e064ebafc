"""From raw replies to labels: `stage` runs it; `cleaner` reads a reply, `tasks` say what a label is."""

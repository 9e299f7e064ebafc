"""What a command does that is more than a stage: one file a command, named as it; `cli` parses and prints."""

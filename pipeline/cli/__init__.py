"""The command line: `parser` has the arguments, `main` calls what a command does, `output` prints it for people."""

"""The command line: the commands parse and call, `output` prints; see `main`."""

"""Letting a version out: `planning` what it would be, `stage` writes it, `gates` what it must hold, `card` and `croissant` what
it says, `release` and `hub` how it gets to the Hub."""

"""Letting a version out: `stage` plans and writes it, `gates` what it must hold, `card` and `croissant` what it
says, `release` and `hub` how it gets to the Hub."""

"""Letting a version out: `versions` numbers and writes it, `card` says what it is, `gates` what it must hold."""

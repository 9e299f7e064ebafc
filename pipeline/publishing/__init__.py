"""Letting a version out: `versions` decides its number and writes it, `card` says what it is, `gates` what it must hold."""

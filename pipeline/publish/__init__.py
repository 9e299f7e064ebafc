"""Publishing of a version: `stage` writes what `planning` made, `gates` are what it must hold, `card`, `croissant` and
`dataset_info` describe it, `release` and `hub` bring it to the Hub."""

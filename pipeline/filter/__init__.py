"""The filter stage, which decides what articles may stay: `stage` runs the chain, `filters` has one file a filter."""

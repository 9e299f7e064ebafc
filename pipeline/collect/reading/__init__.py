"""Readers of files and databases: from bytes to rows; the plugins in `sources` choose what is read and what a unit is.

items      a file, a member of an archive, a remote file: opened, decompressed, recoded; the options of readers
locations  paths and patterns -> items, on this machine or behind fsspec
recoding   encodings in which a quote is not always the byte of a quote
formats    endings -> readers
lines delimited json_values parquet excel whole warc archives     readers: an item -> rows
database   rows of a database, by key
"""

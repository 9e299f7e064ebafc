"""How articles are read out of what holds them; the plugins in `sources` say of which, and what a unit is.

items      a file, a member of an archive, a remote file: opened, decompressed, recoded; what readers are told
places     paths and patterns -> items, on this machine or behind fsspec
encodings  which encoding bytes are in
formats    endings -> readers
lines delimited json_values parquet excel whole warc archives     readers: an item -> rows
database   rows of a database, by key
"""

"""The second way to ask: in batches, which an endpoint answers within hours at a lower price (`label.via: batch`).

`lane` is their course, from the requests of a run to answers in the ledger; `input_file` what is sent, `submission` how that
is claimed, `posting` how it is uploaded and made once, `keeper` how batches under way are brought on, `downloading` and `settling`
how answers come into the ledger, `calls` how an endpoint's trouble is met, `cancelling` and `report` what people see.
"""

"""A sample of labels to other tools and back: `formats` lists them; `sheet` (CSV, JSONL), `argilla` and `label_studio` are pure;
`answers` is what the last two share."""

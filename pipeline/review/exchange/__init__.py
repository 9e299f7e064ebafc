"""A sample of labels to other tools and back: `formats` lists them; `sheet` is CSV and JSONL; `argilla` and `label_studio` are
pure, `answers` is what these two share."""

"""Exchange of a sample of labels with other tools: `formats` lists them; `sheet` is CSV and JSONL; `argilla` and `label_studio` are
pure, `answers` is what these two share."""

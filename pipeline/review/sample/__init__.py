"""The sample that reviewers are shown: `sampling_frame` (the labelled articles), `lanes` (in which order), `risks`, `label_sets`
(whose labels), `review_item` (one article as it is shown)."""

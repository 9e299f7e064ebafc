"""Report of a job: its facts as one dict (`facts`), drawn as SVG (`charts`, `pictures`, `judged`), told in words
(`words`), set as one HTML file (`page`).

Articles are streamed shard by shard, so a million labels take no more memory than a thousand, but for 8 bytes a phrase where
two sets of labels are compared.
"""

"""Human review of labels: `stage` applies verdicts; `log` keeps judgements, `sample` chooses what reviewers are shown, `page`
serves it, `statistics` counts, `exchange` goes to other tools and back."""

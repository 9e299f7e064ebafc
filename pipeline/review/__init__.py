"""What people say of labels: `stage` applies it; `log` keeps it, `sample` chooses what they are shown, `page` asks, `statistics`
counts, `exchange` goes to other tools and back."""

"""The page on which people judge labels: `desk` hands out and takes in, `intake` checks, `app` serves; `static`, `templates`."""

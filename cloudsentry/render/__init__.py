"""Records made readable: sentences (`text`), rows (`rows`), and a plan as a file (`plan_file`). No logic."""

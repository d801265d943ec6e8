"""Where the load of now is read. Missing data is a value of its own, and never zero."""

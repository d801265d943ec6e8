"""The door for input: event files, checked whole, with every fault at its line and column."""

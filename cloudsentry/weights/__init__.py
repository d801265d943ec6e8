"""The hall's room for weights: by hand, and after what the members do while an event runs."""

"""The hall's room for looking back: an event's history from the journal, and the courses that a monitor kept."""

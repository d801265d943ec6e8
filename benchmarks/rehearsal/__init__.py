"""How long a rehearsal takes."""

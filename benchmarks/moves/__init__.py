"""What moves cost and what clients notice of them, on the lab."""

"""Three agents and thirty events on Redis and PostgreSQL: taken over, never doubled, never late."""

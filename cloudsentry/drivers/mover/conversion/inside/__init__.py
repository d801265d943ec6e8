"""What runs on a conversion host."""

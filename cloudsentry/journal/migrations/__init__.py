"""The journal's schema, step by step. Every migration has its way back."""

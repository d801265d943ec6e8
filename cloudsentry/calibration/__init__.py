"""The hall's room for calibration: what servers carry, measured on a pool that stands or on servers of its own."""

"""The live page: its pictures, and whether it keeps up."""

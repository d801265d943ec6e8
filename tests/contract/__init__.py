"""The same tests over every driver of a family; the lab's variants are marked ``lab``."""

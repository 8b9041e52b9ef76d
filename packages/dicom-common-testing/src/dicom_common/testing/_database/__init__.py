"""The contract of indexes, a part of it in each file."""

"""The contract of caches."""

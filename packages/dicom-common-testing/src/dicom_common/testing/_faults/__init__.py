"""A proxy that makes the faults of a network and of a store."""

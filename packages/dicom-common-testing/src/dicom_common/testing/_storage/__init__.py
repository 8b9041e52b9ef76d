"""The contract of storages; that of remote ones runs through a proxy that makes faults."""

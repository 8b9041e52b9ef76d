"""The contract of brokers."""

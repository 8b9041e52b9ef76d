"""Events: messages, their way from the outbox to the broker, and dead letters."""

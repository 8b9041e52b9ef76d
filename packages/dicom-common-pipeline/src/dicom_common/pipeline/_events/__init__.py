"""What is told to others: messages, their way from the outbox to the broker, and those that nobody could deal with."""

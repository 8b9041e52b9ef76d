"""What makes the repository of a new backend."""

"""What `new` fills in: backends that work, and texts. They are read, not imported."""

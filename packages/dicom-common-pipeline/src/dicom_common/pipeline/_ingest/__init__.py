"""Taking instances in: read, write, index, acknowledge; direct or queued."""

"""The contract of authenticators: tokens that look right and are not, and keys that rotate."""

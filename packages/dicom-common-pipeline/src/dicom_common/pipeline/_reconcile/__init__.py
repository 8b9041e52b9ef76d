"""Bringing storage and index together again."""

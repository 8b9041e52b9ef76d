"""Indexing what receivers in queued mode stored."""

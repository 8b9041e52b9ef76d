"""Copying a storage into another one."""

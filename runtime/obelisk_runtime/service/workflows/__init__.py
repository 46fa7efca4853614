"""Workflows in memory: their guest, what it sees, and which of them stay."""

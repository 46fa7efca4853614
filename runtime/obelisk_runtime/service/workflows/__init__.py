"""Workflows in memory: their guest, the way of their events to the store, their children."""

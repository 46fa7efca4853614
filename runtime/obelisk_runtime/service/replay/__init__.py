"""Histories that are run again: to check them, to look at one event, to move them to another component."""

"""Adapters of the store port. Memory is the reference; SQLite is what a server runs on."""

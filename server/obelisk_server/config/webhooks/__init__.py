"""Webhooks in obelisk.toml: the tables, the routes and sources of values in them, and the settings made of that."""

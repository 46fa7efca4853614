"""The components that are deployed, and the functions they offer."""

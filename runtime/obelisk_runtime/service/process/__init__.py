"""This process as one executor of the store: what all parts of the service share."""

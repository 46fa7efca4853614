"""Attempts of activities, from the guest call to the event in the log."""

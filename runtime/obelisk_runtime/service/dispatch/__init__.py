"""What runs when, and why something does not."""

"""What every guest call has: its world, its network, and what its end means."""

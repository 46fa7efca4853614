"""What the shell asks of the world, as Protocols with their contracts and errors."""

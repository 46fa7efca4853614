"""What a guest of a workflow or webhook may call, in the WIT of `wit/`."""

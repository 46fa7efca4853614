"""What is done with whole trees of executions: fork, export, import, keep, delete."""

"""What holds for executions of every kind: how they begin in the store, are read, changed from outside, awaited."""

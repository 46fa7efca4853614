"""What people do to executions: cancel, pause, resume, supply results."""

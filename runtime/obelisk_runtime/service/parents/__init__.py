"""Executions that have children: the way of their events to the store, and what their guests wait for."""

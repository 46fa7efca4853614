"""Requests to webhooks: the guest that answers, and its execution."""

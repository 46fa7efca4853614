"""The functional core: no I/O, no clock, no randomness, no asyncio, no logging.

It takes state, an intent and `now`, and returns events. Everything in it is a pure function or a value.
"""

"""For tests of this package and of what is built on it; nothing else imports it. Needs pytest and hypothesis."""

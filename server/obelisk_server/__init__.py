"""The server, command line and HTTP surfaces of Obelisk."""

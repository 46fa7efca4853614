"""Files of this machine for guests: what may be reached, and the system calls that reach it. No asyncio."""

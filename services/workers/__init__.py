"""Two web processes of one site, each at its own port. They show whether a login at one of them is valid at the other.

Each is the complete site, and has one more flow, whose sessions are in the memory of the process.
"""

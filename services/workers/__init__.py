"""Two web processes of one site, each the only one at its port: what a login is worth at the other.

Each is the complete site, with one flow more, whose sessions are in the memory of the process.
"""

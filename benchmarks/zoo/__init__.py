"""Which gateways and servers let a client say who it is: in the usual set-up and in a strict one.

`python -m benchmarks.zoo` sends each of them the same requests, byte for byte, and prints tables of what arrived.
"""

"""Who takes a client's word for who it is: gateways and servers, as they are usually set up and as they should be.

`python -m benchmarks.zoo` sends each of them the same requests, as bytes, and prints what arrived as tables.
"""

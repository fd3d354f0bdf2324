"""The addresses of each host."""

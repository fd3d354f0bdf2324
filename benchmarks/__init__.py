"""Compares this project with stock Django and Express. Each runs as a process of its own, and one run measures all.

`make bench` starts it. The site does not import this package.
"""

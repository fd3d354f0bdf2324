"""This project beside what people would pick instead, each as its own process and measured in one run.

`make bench` runs it. Nothing of the site imports it.
"""

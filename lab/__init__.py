"""The lab of the demo: it traces, measures and proves what the apps do, and shows the results on its own pages.

The docstrings of `tracing`, `claims`, `experiments` and `pages` say what each is for and what it may import.
"""

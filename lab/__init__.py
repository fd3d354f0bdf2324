"""The lab of the demo: it watches, measures and proves what the apps do, and shows it on pages of its own.

`tracing`, `claims`, `experiments` and `pages` each say at their top what they are for and what they may import.
"""

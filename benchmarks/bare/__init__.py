"""The servers alone, without a framework: what no application on them can be faster than."""

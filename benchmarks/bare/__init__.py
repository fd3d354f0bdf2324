"""The servers without a framework. No application on them can be faster."""

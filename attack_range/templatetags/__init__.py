"""What the templates of the range need beside Django's."""

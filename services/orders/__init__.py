"""What users have ordered."""

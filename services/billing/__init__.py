"""What users have paid."""

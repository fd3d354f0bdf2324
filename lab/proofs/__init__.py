"""The proofs, a module for each part of the claims. Importing this package registers all of them."""

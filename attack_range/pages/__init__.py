"""The range's own pages, and the two addresses that the site's proofs ask."""

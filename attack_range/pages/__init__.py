"""The range's own pages, and the two addresses for the site's proofs."""

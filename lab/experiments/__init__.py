"""What can be tried or measured, in a module each: an experiment runs in a sandbox, at the real endpoints, and
returns what was seen. The pages show the results, and the proofs of the claims use them as evidence. May import the
apps and `lab.tracing`, and of `lab.claims` the sandbox and the evidence, but no proof and no page.
"""

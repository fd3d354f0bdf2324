"""The experiments, one module each. An experiment runs in a sandbox, sends requests to the real endpoints, and
returns what it saw. The pages show the results, and the proofs of the claims use them as evidence. May import the
apps, `lab.tracing`, and the sandbox and the evidence of `lab.claims`, but no proof and no page.
"""

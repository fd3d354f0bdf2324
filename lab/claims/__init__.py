"""What is commonly said about sessions and tokens, and the proofs of it. The claims are data in `catalogue.toml`. A
proof is a function under `proofs/` that yields `evidence`, seen with throwaway users in a `sandbox`, or by the attack
range, which `attacks` asks; `recorded` keeps what that showed. May import the apps and `lab.tracing`. Only the modules
under `proofs/` also import `lab.experiments`, and nothing here imports `lab.pages`.
"""

"""The claims that are commonly made about sessions and tokens, and their proofs. The claims are data in
`catalogue.toml`. A proof is a function under `proofs/` that yields `evidence`. It acts as throwaway users in a
`sandbox`, or asks another process: the attack range (`attacks`) or the services (`services`). `recorded` keeps what the
range last showed. May import the apps and `lab.tracing`. Only the modules under `proofs/` also import
`lab.experiments`, and nothing here imports `lab.pages`.
"""

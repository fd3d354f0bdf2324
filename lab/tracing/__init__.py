"""Records what one request does: on the wire, in SQL, in Redis, with keys and hashes. A middleware and a few
instruments do this, without a change to the apps that are watched. `trace` holds the record of one request,
`runs` the recordings of a browser; `sequence` and `curl` show a record in other forms. May import Django,
`security` and `jwt_demo`, and no other room of the lab.
"""

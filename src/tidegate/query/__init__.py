"""The query language (PROTOCOL section 7): pure, from a request to a SQL statement or a decision in memory.

`parse` makes a `model.Query` of a request; `plan` checks it against schema and rights and makes a `ReadPlan`, in which
`bind` puts who asks and when. `compile` turns a plan into SQL, which `items.read` runs; `evaluate` decides from row
images. `filters`, `selecting` and `aggregation` work out the parts of a plan and ask a `sight` what can be seen.
"""

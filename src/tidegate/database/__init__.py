"""One database of any engine: connections, introspection, and the changing of tables.

`engine.Database` is what the packages above use. Engines differ here and nowhere above, which ask for `capabilities`.
"""

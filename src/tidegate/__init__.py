"""Tidegate: a realtime server for the rows of an ordinary SQL database.

Importing the package loads no server; `tidegate.app.create_app` builds one.
"""

__version__ = "0.1.0"

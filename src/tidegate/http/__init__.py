"""Everything over HTTP: routes, what a request carries, and the shapes of answers.

`app` lists the paths; what they do is in the packages below.
"""

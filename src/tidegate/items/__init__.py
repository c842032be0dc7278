"""Items: reading and writing them as somebody, and the changes that come of it.

`service.Items` is the one way in for every protocol; `feed` hands on what was committed, `relay` between processes.
`structure` changes the collections themselves.
"""

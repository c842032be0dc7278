"""Who somebody is and what they may do: identities, credentials, tokens, sessions, and rights from policies.

`authenticator` checks credentials; `directory` tells the rights of an identity, as they are at this moment.
"""

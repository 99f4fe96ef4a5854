"""The one way from a sandbox to the network: a forward proxy outside of it that knows which hosts are allowed.

The sandbox has a network namespace without a way out; its scripts find `HTTPS_PROXY` in their environment. `entries`
says what is allowed, `hosts` and `addresses` what a host and a public address are, `heads` and `hello` read what the
guest sends, `connection` is one of its connections, and `proxy` all of one execution.
"""
